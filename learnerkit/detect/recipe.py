"""The recipe of a detector."""

from typing import Annotated, Literal

from pydantic import Field

from learnerkit.core.ranges import AtLeastOne, Count, Flag, FrameSide, Positive, Share, ShareBelowOne
from learnerkit.recipe import BS_TEXT, BatchSize, Data, Model, Place, Recipe, Train, Views

Anchors = Annotated[tuple[Positive, ...], Field(min_length=5, max_length=5)]


class DetectData(Data):
    """Frames with boxes."""

    path: Place = Field("frames", description="folder of frames and labels, or COCO annotations")
    bs: BatchSize = Field(2, description=BS_TEXT)
    size: FrameSide | None = Field(None, description="longer side in pixels that frames are resized to")
    bad: Literal["refuse", "skip", "clip"] = Field("refuse", description="what to do with bad boxes and files")
    unlabelled: Literal["refuse", "background", "skip"] = Field(
        "refuse", description="what an image without a label file is"
    )
    polygons: Flag = Field(False, description="take the boxes around polygons, whatever stands beside them")
    keeps: tuple[Literal["mirror"], ...] | None = Field(None, description="views that keep the classes")
    stats: Literal["fixed", "data"] = Field("fixed", description="normalise with fixed figures, or those of the data")
    flip: Flag | None = Field(None, description="mirror; by default where the set keeps its classes")
    iou_crop: Share = Field(0, description="probability of a crop that keeps a share of the boxes")
    scale_jitter: ShareBelowOne = Field(0, description="greatest change of the scale, .2 for .8 to 1.25 times")
    colour: Share = Field(0, description="probability that the colours of RGB are changed")
    modality_dropout: Share = Field(0, description="probability that a channel behind RGB is switched off")
    modalities: tuple[str, ...] = Field((), description="names of the channels behind RGB")
    num_workers: Count = Field(0, description="processes that read and augment frames")


class DetectModel(Model):
    """A detector."""

    arch: str = Field("mit_b0", description="mit_b0 to mit_b5, timm:NAME or torchvision:NAME")
    weights: str | None = Field(
        None, description="where the weights begin: a run's folder, a file, or SegFormer's for the backbone of a MiT"
    )
    anchors: Anchors | None = Field(None, description="sides in pixels; from the training boxes without it")
    box_batch_size_per_image: AtLeastOne = Field(64, description="regions sampled for the box head's loss")
    streams: Literal[1, 2] | None = Field(None, description="2: RGB and the other channels apart, where there are any")
    proposals: tuple[AtLeastOne, AtLeastOne] = Field(
        (1000, 300), description="regions of the first stage, in training and in evaluation"
    )
    detections: AtLeastOne = Field(100, description="most detections an image; COCO's mAP counts the best 100")
    stochastic_depth: ShareBelowOne = Field(0.1, description="drop probability of the last block")


class DetectRecipe(Recipe):
    """A whole training of a detector."""

    DEMO = "detection", "scenes of digits in RGB, thermal and event channels"

    task: Literal["detect"] = Field("detect", description="what kind of training")
    data: DetectData = DetectData()
    model: DetectModel = DetectModel()
    train: Train = Train(lr=0.005, schedule="step", channels_last=False, monitor="mAP")
    evaluate: Views = Views()
