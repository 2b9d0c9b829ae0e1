"""What a classifier's run looked at: maps of right and wrong predictions, over methods and sizes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from learnerkit.classify.evaluate import predict_part
from learnerkit.classify.maps import side_by_side
from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.core.text import some
from learnerkit.data.loaders import KitLoaders
from learnerkit.explain.layers import PLACES, find_layer
from learnerkit.explain.methods import OF_A_LAYER, Asked, method_of
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.measure import part_loader

METHODS = "gradcam", "saliency"  # where none are asked for
IMAGES, BS = 48, 32
AtSize = Callable[[int], KitLoaders]


@dataclass(frozen=True)
class Chosen:
    """The samples that are explained.

    rows: of the set [N]; names: their ids; part: which; targets, predicted, classes: the true class, the predicted one
    and the one that is explained [N]; sure: the probability of the predicted one [N].
    """

    rows: np.ndarray
    names: list[str]
    part: str
    targets: np.ndarray
    predicted: np.ndarray
    classes: np.ndarray
    sure: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Whether the prediction is right [N]."""
        return self.targets == self.predicted


def choose(learn: KitLearner, run: RunFolder, asked: Asked) -> Chosen:
    """The samples of a run's test part (its valid part without one): as many wrong as right ones, spread over classes.

    DataError where samples are asked for that the part has not, or classes that there are not.
    """
    part = "test" if len(learn.dls.split.test) else "valid"
    rows = getattr(learn.dls.split, part)
    ids = [str(learn.dls.source.ids[row]) for row in rows]
    probabilities, targets = _predictions(learn, run, part, rows, ids)
    predicted = probabilities.argmax(axis=1)
    if asked.names is None:
        places = _spread(predicted == targets, targets, asked.images or IMAGES, asked.seed)
    else:
        known = {name: place for place, name in enumerate(ids)}
        if missing := [name for name in asked.names if name not in known]:
            raise DataError(f"{run.path}: its {part} part has no {some(missing)}; runs of one split can be compared")
        places = np.array([known[name] for name in asked.names])
    classes = predicted[places] if asked.classes is None else np.array(asked.classes)
    names, sure = [ids[place] for place in places], probabilities.max(axis=1)[places]
    return Chosen(rows[places], names, part, targets[places], predicted[places], classes, sure)


def _predictions(
    learn: KitLearner, run: RunFolder, part: str, rows: np.ndarray, ids: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [N,K] and true classes [N] of a part: as predictions.npz has them, else predicted now."""
    if run.file("predictions.npz").exists():
        arrays = read_npz(run.file("predictions.npz"))
        of_part = arrays["part"] == part
        if [str(name) for name in arrays["ids"][of_part]] == ids:
            return arrays["probabilities"][of_part], arrays["targets"][of_part]
    loader = part_loader(learn, part, np.arange(len(rows)))
    probabilities, targets = predict_part(learn, loader)
    return probabilities, targets


def _spread(right: np.ndarray, targets: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Places of n samples in their order: half of them wrong where there are so many, one class after another."""
    order = np.random.default_rng(seed).permutation(len(right))
    turns = np.zeros(len(right), np.int64)
    for kind in (True, False):
        for code in np.unique(targets):
            of_kind = order[(right[order] == kind) & (targets[order] == code)]
            turns[of_kind] = np.arange(len(of_kind))
    in_turn = order[np.argsort(turns[order], kind="stable")]
    wrong, good = in_turn[~right[in_turn]], in_turn[right[in_turn]]
    wrong = wrong[: min(len(wrong), max(n // 2, n - len(good)))]
    beside = ~np.isin(targets[good], targets[wrong])  # right ones of the classes of the wrong ones come first
    good = good[np.lexsort((beside, turns[good]))]
    return np.sort(np.concatenate([wrong, good[: n - len(wrong)]]))


@dataclass
class Maps:
    """The maps of the chosen samples by variant, and how each was made.

    heat: [N,h,w] on the CPU, those of pairs side by side, by (method, side in pixels); layers: the layer's name.
    """

    heat: dict[tuple[str, int], Tensor]
    layers: dict[tuple[str, int], str]
    notes: list[str]


def make_maps(learn: KitLearner, chosen: Chosen, asked: Asked, at_size: AtSize) -> Maps:
    """The maps of each method at the run's own size and at those asked for; notes say what has none, and why."""
    found = Maps({}, {}, [])
    own = own_side(learn)
    if asked.layer not in PLACES:  # a layer that there is not is nobody's fault but the asker's
        find_layer(learn.model, asked.layer, own)
    for side in dict.fromkeys([own, *asked.at]):
        try:
            dls = learn.dls if side == own else at_size(side)
        except LearnerkitError as error:
            found.notes.append(f"{side} pixels: {error}")
            continue
        for name in asked.methods or METHODS:
            try:
                heat = [
                    side_by_side(method_of(name, asked.layer)(learn.model, images, targets=codes))
                    for images, codes in batches(dls, chosen)
                ]
            except LearnerkitError as error:
                found.notes.append(f"{name} at {side} pixels: {error}")
                continue
            found.heat[name, side] = torch.cat(heat)
            if name in OF_A_LAYER:
                found.layers[name, side] = find_layer(learn.model, asked.layer, side)[0]
    methods = list(asked.methods or METHODS)
    found.heat = dict(sorted(found.heat.items(), key=lambda item: methods.index(item[0][0])))  # its sizes side by side
    if not found.heat:
        raise DataError("nothing could be explained:\n  " + "\n  ".join(found.notes))
    return found


def own_side(learn: KitLearner) -> int:
    """The shorter side of the images that the run's model saw, in pixels."""
    shape = getattr(learn.dls, "input_shape", None) or learn.dls.source.shape
    return min(shape[-2:])


def batches(dls: KitLoaders, chosen: Chosen, bs: int = BS) -> Iterator[tuple[Any, Tensor]]:
    """The chosen samples as the model takes them, plain tensors, and the classes that are explained."""
    begin = 0
    for batch in dls.test_dl([int(row) for row in chosen.rows], bs=bs):
        inputs = tuple(values.as_subclass(Tensor) for values in batch[: dls.n_inp])
        codes = torch.from_numpy(chosen.classes[begin : begin + len(inputs[0])].astype(np.int64))
        begin += len(codes)
        yield inputs[0] if len(inputs) == 1 else inputs, codes


class Joined(nn.Module):
    """A model of several inputs as one of a single one, in which their channels stand one after another.

    A pixel is then taken away from all of them at once. channels: of each input.
    """

    def __init__(self, model: nn.Module, channels: Sequence[int]) -> None:
        super().__init__()
        self.model, ends = model, list(accumulate(channels, initial=0))
        self.slices = [slice(*ends_of) for ends_of in pairwise(ends)]

    def forward(self, images: Tensor) -> Tensor:
        return self.model(*(images[:, own] for own in self.slices))  # torch.fx traces slices, and not chunks

    def target_layer(self) -> nn.Module:
        """That of the model."""
        return find_layer(self.model, "late")[1]


def joined(model: nn.Module, images: Any) -> tuple[nn.Module, Tensor]:
    """A model and its images as one tensor."""
    if isinstance(images, Tensor):
        return model, images
    return Joined(model, [one.shape[1] for one in images]), torch.cat(images, dim=1)
