"""Faster R-CNN over a feature pyramid, on dual-stream or single backbones with any number of channels.

Built from torchvision's parts (RPN, RoI heads, pyramid). What differs from its own forward: frames arrive as one padded
tensor, and an evaluation with targets gives the loss parts and the detections from one pass through the backbone.
B,C,H,W: images, channels, height, width; M: boxes a row of targets; D: detections an image.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import MultiScaleRoIAlign

from learnerkit.core.errors import ModelError, check_keys
from learnerkit.detect.boxes import merge_detections, mirror_boxes, mirror_images, pack_detections, unpack_boxes
from learnerkit.detect.models.backbones import PyramidBackbone
from learnerkit.detect.models.mit import SIZES
from learnerkit.models.groups import body_groups
from learnerkit.models.registry import register_pattern
from learnerkit.models.target import target_layer

ANCHORS = (32, 64, 128, 256, 512)  # sides in pixels, one for each map of the pyramid
RATIOS = (0.5, 1.0, 2.0)
STRIDE = 32  # padded sides are multiples of the coarsest stage's stride
PREFIX = "detect:"


class Detector(nn.Module):
    """A detector whose loss parts and detections can be had together.

    backbone: [B,C,H,W] -> maps of a pyramid, with `out_channels`.
    n_out: classes, the background not counted; anchors: five sides in pixels.
    kwargs: of torchvision's FasterRCNN, such as box_batch_size_per_image.
    """

    inner = "net.backbone.body"  # where a backbone's own weights belong

    def __init__(self, backbone: nn.Module, n_out: int, anchors: Sequence[float] = ANCHORS, **kwargs: Any) -> None:
        super().__init__()
        if len(anchors) != len(ANCHORS) or min(anchors) <= 0:
            raise ModelError(f"anchors={tuple(anchors)}: {len(ANCHORS)} sides in pixels above 0 are needed")
        self.net = FasterRCNN(
            backbone,
            n_out + 1,
            rpn_anchor_generator=AnchorGenerator(tuple((side,) for side in anchors), (RATIOS,) * len(anchors)),
            box_roi_pool=MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2),
            **kwargs,
        )

    def forward(self, frames: Tensor, sizes: Tensor | None = None, targets: Tensor | None = None) -> Any:
        """Detections [B,D,6], none in training; with targets (detections, loss parts by name).

        frames: [B,C,H,W], normalised and padded; sizes: height and width of each [B,2], all of the frame when None.
        targets: boxes and classes [B,M,5], see `detect.boxes`.
        """
        images = self._images(frames, sizes)
        maps = self.net.backbone(images.tensors)
        truth = None if targets is None else [_truth(rows) for rows in targets]
        proposals, parts = self._propose(maps, images, truth)
        if truth is not None:
            parts |= self._box_losses(maps, images, proposals, truth)
        detections = frames.new_zeros((len(frames), 0, 6)) if self.training else self._detect(maps, images, proposals)
        return detections if truth is None else (detections, parts)

    def groups(self) -> list[list[nn.Parameter]]:
        """The backbone's stem and stages; then the pyramid and both stages of the detector, as `freeze` takes them."""
        body = body_groups(self.net.backbone.body)
        known = {id(parameter) for group in body for parameter in group}
        return [*body, [parameter for parameter in self.parameters() if id(parameter) not in known]]

    def target_layer(self) -> nn.Module:
        """The last map of the backbone, before the pyramid."""
        return target_layer(self.net.backbone.body)

    def head_names(self) -> set[str]:
        """Names of the parameters that depend on the classes."""
        return {name for name, _ in self.named_parameters() if name.startswith("net.roi_heads.box_predictor.")}

    def merge_views(self, views: Sequence[Any], inputs: Sequence[Tensor], pred: Any) -> Any:
        """The output of a batch merged with that of the frames mirrored left to right, where a view is a mirror.

        views: of `ops.views`; inputs: frames and sizes; pred: what the model made of them as they are.
        """
        if not any(getattr(view, "mirror", False) for view in views):
            return pred
        frames, sizes = inputs[:2]
        mirrored = mirror_boxes(self(mirror_images(frames, sizes), sizes), sizes[:, 1])
        detections, *rest = pred if isinstance(pred, tuple) else (pred,)
        merged = merge_detections([detections, mirrored])
        return (merged, *rest) if rest else merged

    @property
    def most(self) -> int:
        """Detections an image."""
        return self.net.roi_heads.detections_per_img

    def box_logits(self, frames: Tensor, boxes: Tensor) -> Tensor:
        """What the second stage makes of one given box a frame: logits [B,1+classes], the background first.

        frames: [B,C,H,W]; boxes: x1, y1, x2, y2 in pixels [B,4].
        """
        images, heads = self._images(frames, None), self.net.roi_heads
        regions = heads.box_roi_pool(self.net.backbone(images.tensors), list(boxes[:, None]), images.image_sizes)
        return heads.box_predictor(heads.box_head(regions))[0]

    def _images(self, frames: Tensor, sizes: Tensor | None) -> ImageList:
        height, width = frames.shape[2:]
        padded = nn.functional.pad(frames, (0, -width % STRIDE, 0, -height % STRIDE))
        listed = [(height, width)] * len(frames) if sizes is None else [tuple(size) for size in sizes.tolist()]
        return ImageList(padded, listed)

    def _propose(
        self, maps: dict[str, Tensor], images: ImageList, truth: list | None
    ) -> tuple[list, dict[str, Tensor]]:
        """Region proposals and, with the truth, the RPN's losses; torchvision's own forward gives one at a time."""
        rpn = self.net.rpn
        levels = list(maps.values())
        objectness, deltas = rpn.head(levels)
        anchors = rpn.anchor_generator(images, levels)
        counts = [score[0].numel() for score in objectness]
        objectness, deltas = concat_box_prediction_layers(objectness, deltas)
        boxes = rpn.box_coder.decode(deltas.detach(), anchors).view(len(anchors), -1, 4)
        proposals, _ = rpn.filter_proposals(boxes, objectness, images.image_sizes, counts)
        if truth is None:
            return proposals, {}
        labels, matched = rpn.assign_targets_to_anchors(anchors, truth)
        wanted = rpn.box_coder.encode(matched, anchors)
        scores, moves = rpn.compute_loss(objectness, deltas, labels, wanted)
        return proposals, {"loss_objectness": scores, "loss_rpn_box_reg": moves}

    def _box_losses(
        self, maps: dict[str, Tensor], images: ImageList, proposals: list, truth: list
    ) -> dict[str, Tensor]:
        heads, was = self.net.roi_heads, self.net.roi_heads.training
        heads.training = True  # this flag alone: the modules inside stay in evaluation
        try:
            return heads(maps, proposals, images.image_sizes, truth)[1]
        finally:
            heads.training = was

    def _detect(self, maps: dict[str, Tensor], images: ImageList, proposals: list) -> Tensor:
        found = self.net.roi_heads(maps, proposals, images.image_sizes)[0]
        return torch.stack(
            [pack_detections(item["boxes"], item["labels"] - 1, item["scores"], self.most) for item in found]
        )


def _truth(rows: Tensor) -> dict[str, Tensor]:
    """One image's targets as torchvision takes them: its class 0 is the background."""
    boxes, codes = unpack_boxes(rows)
    return {"boxes": boxes, "labels": codes + 1}


@register_pattern(r"detect:(.+)", *(f"{PREFIX}{name}" for name in SIZES))
def create_detector(
    name: str,
    n_in: int = 3,
    n_out: int = 1,
    anchors: Sequence[float] = ANCHORS,
    stochastic_depth: float = 0.1,
    streams: int | None = None,
    box_batch_size_per_image: int = 512,
    detections: int = 100,
    score_threshold: float = 0.05,
    proposals: Sequence[int] = (1000, 300),
    **kwargs: Any,
) -> Detector:
    """A detector by its backbone's name.

    name: 'mit_b0' to 'mit_b5', 'timm:NAME' or 'torchvision:NAME' (of the ResNet family).
    n_in: channels; n_out: classes without the background.
    anchors: five sides in pixels, one a map of the pyramid.
    stochastic_depth: of the last block of a MiT.
    streams: 2, RGB and all other channels apart (MiT alone), or 1; None takes 2 where a MiT has more than 3 channels.
    box_batch_size_per_image: regions sampled for the box head's loss.
    detections: greatest number an image; score_threshold: least score.
    proposals: regions that the first stage hands on, in training and in evaluation. torchvision's 2000 and 1000 cost
        three times as much on a CPU; images with hundreds of objects need them.
    kwargs: of torchvision's FasterRCNN.
    """
    known = list(inspect.signature(FasterRCNN).parameters)
    if faults := check_keys(kwargs, known, f"{PREFIX}{name}"):
        raise ModelError("; ".join(faults))
    backbone = PyramidBackbone(name, n_in, stochastic_depth, streams)
    return Detector(
        backbone,
        n_out,
        anchors,
        box_batch_size_per_image=box_batch_size_per_image,
        box_detections_per_img=detections,
        box_score_thresh=score_threshold,
        rpn_pre_nms_top_n_train=proposals[0],
        rpn_post_nms_top_n_train=proposals[0],
        rpn_pre_nms_top_n_test=max(proposals),
        rpn_post_nms_top_n_test=proposals[1],
        **kwargs,
    )
