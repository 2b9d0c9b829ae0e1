"""`detection_learner`: from DataLoaders of frames and boxes to a Learner that is ready to fit."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from learnerkit._fastai import Callback, MixHandler
from learnerkit.callbacks.mix import Mixer
from learnerkit.callbacks.tta import TTA
from learnerkit.core.calls import extends, recorded
from learnerkit.core.errors import DataError, ModelError, RecipeError
from learnerkit.core.files import PathLike
from learnerkit.core.ranges import AtLeastOne
from learnerkit.core.weights import read_weights
from learnerkit.detect.boxes import rescale, scores_of, unpack_boxes
from learnerkit.detect.data.source import FrameSource
from learnerkit.detect.data.transforms import FrameRows, resized
from learnerkit.detect.dls import NAME, FrameLoaders
from learnerkit.detect.metrics import detection_metrics, need_detect
from learnerkit.detect.models.detector import ANCHORS, PREFIX
from learnerkit.detect.models.mit import MixTransformer
from learnerkit.detect.models.mit_weights import load_segformer, translated
from learnerkit.detect.models.rgbx import DualStream
from learnerkit.detect.parts import LossParts, SumOfParts
from learnerkit.detect.recipe import Anchors
from learnerkit.detect.signs import BoxSigns
from learnerkit.detect.summary import summary_of
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.make import TrainingArguments, as_list, build_model, make_learner
from learnerkit.models.begin import fill

LEAST_ANCHOR, MOST_ANCHOR = 4, 32  # pixels of the smallest anchor
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """What a detector found on one frame, best first.

    boxes: float32 [n,4] x1 y1 x2 y2 in pixels of the frame as it was given; names: their classes; scores: [n].
    """

    boxes: Tensor
    names: list[str]
    scores: Tensor


class DetectionLearner(KitLearner):
    """A KitLearner whose predictions are boxes.

    unmapped: names of the tensors of a weights file, and of the model, that found no counterpart.
    """

    best_by = "mAP"
    unmapped: list[str] = []

    def add_cb(self, cb: Any) -> "DetectionLearner":
        """Add a callback, as fastai does; RecipeError for one that mixes images, whose boxes it would not mix."""
        kind = cb if isinstance(cb, type) else type(cb)
        if issubclass(kind, (Mixer, MixHandler)):
            raise RecipeError(
                f"{kind.__name__}: boxes of mixed frames would be wrong; frames are augmented by detection_dls(flip=, "
                "iou_crop=, scale_jitter=, colour=, modality_dropout=)"
            )
        return super().add_cb(cb)

    def get_preds(self, ds_idx: int = 1, dl: Any = None, **kwargs: Any) -> tuple:
        """fastai's get_preds: detections [N,D,6] and targets [N,M,5]. A loss of each image takes it by itself.

        ds_idx: which of the loaders; dl: any loader; kwargs: fastai's.
        """
        if kwargs.get("with_decoded") and {"with_preds", "with_targs"} <= kwargs.keys():  # it alone says all three
            raise ModelError(
                "a detector names no class a frame, which fastai's ClassificationInterpretation asks for; "
                "DetectionInterpretation.from_learner(learn) has the same methods for boxes"
            )
        if kwargs.get("with_loss"):
            dl = self.dls[ds_idx] if dl is None else dl
            dl = dl.new(shuffle=False, drop_last=False, bs=1) if hasattr(dl, "new") else dl
        gathered = super().get_preds(ds_idx, dl, **kwargs)
        if not kwargs.get("with_input"):
            return gathered
        return gathered[0][:2], *gathered[1:]  # without the targets, which the model was given along

    def predict(self, item: Any, rm_type_tfms: Any = None, with_input: bool = False) -> Found | tuple[Tensor, Found]:
        """The boxes on one frame, in pixels of that frame as it is given.

        item: a path, the paths of its modalities in a tuple, a PIL image of 8 bits (three channels), an array or tensor
            [H,W,C] or [C,H,W] with the channels of the set (uint8, uint16, or floats in 0..1), or a row number.
        rm_type_tfms: for fastai's sake. with_input: return the frame [C,H,W] in 0..1 before what was found on it.
        """
        self.check_row(item)
        rows = self._rows()
        whole = rows.whole(item)
        fitted = rows.fitted(whole)
        dl = self.dls.test_dl([fitted], num_workers=0, bs=1)
        with self.no_bar(), self.no_logging():
            detections = self.get_preds(dl=dl)[0][0]
        boxes, codes = unpack_boxes(rescale(detections, tuple(fitted.shape[1:]), tuple(whole.shape[1:])))
        found = Found(boxes, [str(self.dls.vocab[code]) for code in codes.tolist()], scores_of(detections))
        return (whole, found) if with_input else found

    def tta(
        self,
        ds_idx: int = 1,
        dl: Any = None,
        n: int = 2,
        item_tfms: Any = None,
        batch_tfms: Any = None,
        beta: float | None = None,
        use_max: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Detections and targets, those of the frames as they are and mirrored merged: `get_preds(cbs=TTA(2))`.

        ds_idx: which of the loaders; dl: any loader. Boxes of random views have no mean: RecipeError for all other
        arguments of fastai's, and where a mirror makes another class.
        """
        other = {"n": n if n != 2 else None, "item_tfms": item_tfms, "batch_tfms": batch_tfms, "beta": beta}
        given = [name for name, value in {**other, "use_max": use_max or None}.items() if value is not None]
        why = f"{', '.join(given)}: boxes of several views are merged, they have no mean" if given else ""
        source = self._rows().source
        if "mirror" not in source.keeps:
            why = f"a mirror, the one view of a detector, makes other classes of those of {source.name}"
        if why:
            raise RecipeError(f"learn.tta: {why}. get_preds(cbs=TTA(2)) merges a frame's boxes with its mirror's")
        return self.get_preds(ds_idx, dl, cbs=TTA(2))

    def _rows(self) -> FrameRows:
        """What reads a frame, of an exported learner too."""
        return next(step for step in self.dls.valid_ds.tls[0].tfms.fs if isinstance(step, FrameRows))

    def summary(self) -> str:
        """The layers with the shapes that they make of a frame, parameters, optimizer and callbacks, as fastai's."""
        return summary_of(self)


def fitting_anchors(dls: FrameLoaders) -> tuple[float, ...]:
    """Five sides of anchors in pixels, doubling from the 5th percentile of the training boxes' sides (root of area).

    torchvision's begin at 32 pixels; a set of smaller boxes would never be met by them.
    """
    source, sides = dls.source, []
    for row in dls.split.train:
        scale = resized(tuple(source.sizes[row].tolist()), dls.size)[0] / source.sizes[row][0]
        boxes = source.boxes[row]
        sides.append(np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])) * scale)
    if not sum(map(len, sides)):
        raise DataError(f"{source.name}: no box stands on any training frame; give anchors=, or more frames")
    least = float(np.percentile(np.concatenate(sides), 5))
    least = round(min(max(least, LEAST_ANCHOR), MOST_ANCHOR))
    return tuple(least * 2**level for level in range(len(ANCHORS)))


@recorded("dls", "cbs")
@extends(TrainingArguments, lr=5e-3, channels_last=False)
def detection_learner(
    dls: FrameLoaders,
    arch: str | nn.Module = "mit_b0",
    *,
    anchors: Anchors | None = None,
    box_batch_size_per_image: AtLeastOne = 64,
    model_args: dict[str, Any] | None = None,
    metrics: Sequence[Any] | None = None,
    cbs: Callback | Sequence[Callback] | None = None,
    **kwargs: Any,
) -> DetectionLearner:
    """A Learner for detection: Faster R-CNN over a feature pyramid.

    `weights=` also takes a file or folder of SegFormer, as Hugging Face has it, for a MiT's stages; what did not map
    is kept in `learn.unmapped`.

    dls: DataLoaders of frames and boxes, such as `detection_dls(...)`.
    arch: 'mit_b0' to 'mit_b5' (two streams where there are more than three channels), 'timm:NAME', 'torchvision:NAME'
        (one stream), or a module with the face of `detect.models.detector.Detector`.
    anchors: five sides in pixels; from the training boxes when None.
    box_batch_size_per_image: regions sampled for the box head's loss; torchvision's 512 take minutes on a CPU.
    model_args: of `create_detector`, such as {'detections': 300}.
    metrics: mAP, mAP50 and mAP75 by default; they need the extra `detect`.
    cbs: callbacks.

    Examples:
        >>> dls = detection_dls(make_digit_scenes("scenes", {"train": 32, "val": 2, "test": 2}), bs=2, keeps=())
        >>> learn = detection_learner(dls, "mit_b0", box_batch_size_per_image=16, opt="adamw", limit_batches=1)
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(1, 1e-3)
        >>> [metric.name for metric in learn.metrics]
        ['mAP', 'mAP50', 'mAP75']
    """
    if not isinstance(getattr(dls, "source", None), FrameSource):
        raise DataError(
            "detection_learner: the dls have no boxes: dls.source is no set of frames; give detection_dls(...)"
        )
    if metrics is None:
        need_detect()
        metrics = detection_metrics()
    arguments, source = TrainingArguments(**kwargs), dls.source
    model = arch
    if isinstance(arch, str):
        anchors = fitting_anchors(dls) if anchors is None else anchors
        own = {"anchors": list(anchors), "box_batch_size_per_image": box_batch_size_per_image, **(model_args or {})}
        model = build_model(f"{PREFIX}{arch}", arguments.seed, n_in=source.channels, n_out=len(source.vocab), **own)
    cbs = [LossParts(), *([BoxSigns()] if arguments.diagnose else []), *as_list(cbs)]
    weights, others = arguments.weights, replace(arguments, weights=None)
    learn = make_learner(NAME, dls, model, SumOfParts(), metrics, cbs, others, DetectionLearner)
    learn.unmapped = _begin(learn.model, weights) if weights is not None else []
    return learn


def _begin(model: nn.Module, weights: PathLike) -> list[str]:
    """Put weights into a detector, SegFormer's into its backbone alone; the names of what did not map."""
    tensors = read_weights(weights)
    if not any(map(translated, tensors)):
        return fill(model, tensors, str(weights))
    body = getattr(getattr(getattr(model, "net", None), "backbone", None), "body", None)
    if not isinstance(body, MixTransformer | DualStream):
        backbone = getattr(model, "spec", {}).get("name", type(model).__name__).removeprefix(PREFIX)
        raise ModelError(f"{weights}: SegFormer's weights are for mit_b0 to mit_b5; the backbone is {backbone}")
    unmapped = load_segformer(body, tensors)
    unfilled = [line for line in unmapped if line.startswith("not filled")]
    if len(unfilled) >= len(list(body.parameters())) // 2:
        backbone = getattr(model, "spec", {}).get("name", "").removeprefix(PREFIX) or "this backbone"
        raise ModelError(
            f"{weights}: {len(unfilled)} of the backbone's tensors are not in it; is it a file of {backbone}?"
        )
    if unmapped:
        log.warning("%s: %d tensor(s) did not map:\n  %s", weights, len(unmapped), "\n  ".join(unmapped[:20]))
    return unmapped
