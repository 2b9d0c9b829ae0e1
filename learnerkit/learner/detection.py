"""`detection_learner`: from DataLoaders of frames and boxes to a Learner that is ready to fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from torch import Tensor, nn

from learnerkit.callbacks.detection import DetectionParts, SumOfParts
from learnerkit.core.errors import DataError, ModelError
from learnerkit.core.files import PathLike
from learnerkit.core.record import record_call
from learnerkit.core.seed import kept_random_state, seed_position
from learnerkit.data.block import ImageLoaders
from learnerkit.data.detection_transforms import resized
from learnerkit.learner.factory import as_list, make_learner
from learnerkit.learner.kit import KitLearner
from learnerkit.metrics.detection import detection_metrics, need_detect
from learnerkit.models.create import DETECTOR, create_model
from learnerkit.models.detector import ANCHORS
from learnerkit.models.mit_weights import load_segformer
from learnerkit.ops.boxes import scores_of, unpack_boxes

LEAST_ANCHOR, MOST_ANCHOR = 4, 32  # pixels of the smallest anchor


@dataclass(frozen=True)
class Found:
    """What a detector found on one frame, best first.

    boxes: float32 [n,4] x1 y1 x2 y2 in pixels of the frame as the model saw it; names: their classes; scores: [n].
    """

    boxes: Tensor
    names: list[str]
    scores: Tensor


class DetectionLearner(KitLearner):
    """A KitLearner whose predictions are boxes."""

    best_by = ("mAP", "max")

    def predict(self, item: Any, **kwargs: Any) -> Found:
        """The boxes on one frame.

        item: a path, an array [H,W,C] or [C,H,W], or a row number of the set. kwargs: for fastai's sake.
        """
        dl = self.dls.test_dl([item], num_workers=0, bs=1)
        with self.no_bar(), self.no_logging():
            detections = self.get_preds(dl=dl)[0][0]
        boxes, codes = unpack_boxes(detections)
        return Found(boxes, [str(self.dls.vocab[code]) for code in codes.tolist()], scores_of(detections))


def fitting_anchors(dls: ImageLoaders) -> tuple[float, ...]:
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


def detection_learner(
    dls: DataLoaders,
    arch: str | nn.Module = "mit_b0",
    *,
    weights: PathLike | None = None,
    anchors: Sequence[float] | None = None,
    box_batch_size_per_image: int = 64,
    opt: str | Callable = "sgd",
    lr: float = 5e-3,
    wd: float = 5e-4,
    momentum: float = 0.9,
    metrics: Sequence[Any] | None = None,
    cbs: Callback | Sequence[Callback] | None = None,
    seed: int | None = 42,
    precision: str = "fp32",
    clip: float = 0.0,
    accumulate: int = 1,
    accumulate_unit: str = "batches",
    channels_last: bool = False,
    compile: bool = False,
    guard: str = "stop",
    limit_batches: int | None = None,
    model_args: dict[str, Any] | None = None,
    **kwargs: Any,
) -> DetectionLearner:
    """A Learner for detection: Faster R-CNN over a feature pyramid.

    dls: DataLoaders of frames and boxes, such as `detection_dls(...)`.
    arch: 'mit_b0' to 'mit_b5' (two streams where there are more than three channels), 'timm:NAME', 'torchvision:NAME'
        (one stream), or a module with the face of `models.detector.Detector`.
    weights: a SegFormer file (safetensors, Hugging Face's layout) for a MiT's stages; what did not map is printed and
        kept in `learn.unmapped`.
    anchors: five sides in pixels; from the training boxes when None.
    box_batch_size_per_image: regions sampled for the box head's loss; torchvision's 512 take minutes on a CPU.
    opt: 'sgd' (Nesterov), 'adam', 'adamw', 'rmsprop', a torch.optim class, or a fastai optimizer such as `ranger`.
    lr: rate where `fit` is given none; wd: weight decay; momentum: constant through fit_one_cycle.
    metrics: mAP, mAP50 and mAP75 by default; they need the extra `detect`.
    cbs: callbacks.
    seed: of weights, order, augmentation and sampled regions; None leaves randomness as fastai does.
    precision: 'fp32', 'bf16' (also on a CPU), 'fp16' (GPU only).
    clip: greatest norm of the gradient; 0 for none.
    accumulate, accumulate_unit: step once for so many 'batches' or 'samples'.
    channels_last: memory layout of the weights; compile: `torch.compile` the model.
    guard: what to do when an input, loss or gradient is not finite: 'stop', 'skip' or 'rollback'; see `Guard`.
    limit_batches: so many batches an epoch, for quick trials.
    model_args: of `create_detector`, such as {'detections': 300}.
    kwargs: fastai's Learner arguments (splitter, path, model_dir, ...).
    """
    source = getattr(dls, "source", None)
    if not hasattr(source, "boxes"):
        raise DataError("detection_learner: the dls have no boxes; give those of detection_dls(...)")
    if metrics is None:
        need_detect()
        metrics = detection_metrics()
    given = {"arch": arch, "weights": weights, "anchors": anchors, "opt": opt, "lr": lr, "wd": wd, "momentum": momentum}
    given |= {"box_batch_size_per_image": box_batch_size_per_image, "seed": seed, "precision": precision, "clip": clip}
    given |= {"accumulate": accumulate, "accumulate_unit": accumulate_unit, "channels_last": channels_last}
    given |= {"compile": compile, "guard": guard, "limit_batches": limit_batches, "model_args": model_args, **kwargs}
    anchors = list(anchors) if anchors is not None else list(fitting_anchors(dls))
    given["anchors"] = anchors  # a run is loaded with those that it was trained with, whatever the data
    with kept_random_state():
        if seed is not None:
            seed_position(seed)
        model = arch
        if isinstance(arch, str):
            own = {"anchors": anchors, "box_batch_size_per_image": box_batch_size_per_image, **(model_args or {})}
            model = create_model(f"{DETECTOR}{arch}", source.channels, len(source.vocab), **own)
    unmapped = _fill(model, arch, weights) if weights is not None else []
    learn = make_learner(
        dls,
        model,
        SumOfParts(),
        metrics,
        [DetectionParts(), *as_list(cbs)],
        opt=opt,
        lr=lr,
        wd=wd,
        momentum=momentum,
        seed=seed,
        precision=precision,
        clip=clip,
        accumulate=accumulate,
        accumulate_unit=accumulate_unit,
        channels_last=channels_last,
        compile=compile,
        guard=guard,
        limit_batches=limit_batches,
        kind=DetectionLearner,
        **kwargs,
    )
    learn.unmapped = unmapped
    learn.recipe = record_call(detection_learner, (), given)
    return learn


def _fill(model: nn.Module, arch: Any, weights: PathLike) -> list[str]:
    """Put a SegFormer file into a detector's stages; says what did not map."""
    if not str(arch).startswith("mit_"):
        raise ModelError(f"weights: a SegFormer file is for mit_b0 to mit_b5; the backbone is {arch}")
    unmapped = load_segformer(model.net.backbone.body, weights)
    unfilled = [line for line in unmapped if line.startswith("not filled")]
    if len(unfilled) >= len(list(model.net.backbone.body.parameters())) // 2:
        raise ModelError(f"{weights}: {len(unfilled)} of the backbone's tensors are not in it; is it a file of {arch}?")
    print(f"{weights}: {len(unmapped)} tensor(s) did not map" + "".join(f"\n  {line}" for line in unmapped[:20]))
    return unmapped
