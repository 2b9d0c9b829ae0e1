"""The recipe of a classifier of images."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from learnerkit.core.ranges import RESIZE, Count, Degrees, Factor, Flag, Operations, Share, ShareBelowOne, Side, Until
from learnerkit.recipe import Data, Model, Place, Recipe, Train, Views


class ClassifyData(Data):
    """Images with one label each."""

    path: Place = Field("cifar10", description="official CIFAR folder or archive, image folder, 'cifar10', 'digits'")
    label: Literal["fine", "coarse"] = Field("fine", description="label level of CIFAR-100")
    size: Side | None = Field(None, description="side in pixels that the model sees")
    resize: RESIZE = Field("crop", description="how pictures of a folder are brought to the size")
    cache: Literal["auto", "memory", "disk", "stream"] = Field("auto", description="where decoded pictures are kept")
    sampler: Literal["balanced"] | None = Field(None, description="draw each class equally often in training")
    bad: Literal["refuse", "skip"] = Field("refuse", description="what to do with bad samples and files")
    keeps: tuple[Literal["mirror", "shift"], ...] | None = Field(None, description="views that keep the class")
    stats: Literal["fixed", "data"] | None = Field(None, description="normalise with published figures, or the data's")
    crop: Count | None = Field(
        None, description="zero padding in pixels before the random crop; usually 4, 2 for digits, 0 with min_scale"
    )
    min_scale: Factor | None = Field(None, description="least share of an image that a random box is cut of")
    flip: Flag | None = Field(None, description="mirror; by default where the set keeps its classes")
    rotate: Degrees = Field(0, description="greatest angle in degrees")
    jitter: Flag = Field(False, description="brightness, contrast, saturation .3 and hue .1")
    perspective: Share = Field(0, description="probability of a perspective")
    randaugment: Operations | None = Field(None, description="operations and magnitude, such as 2,9")
    erase: Share = Field(0, description="probability of random erasing")
    cutout: Count = Field(0, description="side of the cut-out square in pixels")
    num_workers: Count = Field(0, description="decoding processes, for cache=stream")


class ClassifyModel(Model):
    """A network for one tensor of images."""

    dropout: ShareBelowOne | None = Field(None, description="the model's dropout; its own default when not given")
    stochastic_depth: ShareBelowOne | None = Field(None, description="drop probability of the last block")


class ClassifyTrain(Train):
    """How a classifier is trained."""

    label_smoothing: ShareBelowOne = Field(0, description="label smoothing")
    class_weights: Literal["balanced"] | None = Field(None, description="weigh rare classes up in the loss")
    cutmix: Share = Field(0, description="probability that a batch is cut and mixed")
    mixup: Share = Field(0, description="probability that a batch is blended")
    monitor: str = Field("accuracy", description="figure on the valid part that chooses the best weights")


class SelectiveViews(Views):
    """How the result is measured, for tasks whose views may be taken of the unsure samples alone."""

    until: Until | None = Field(None, description="views only for samples less sure than that; auto fits it on valid")

    @field_validator("until")
    @classmethod
    def _has_views(cls, value: float | str | None, info: ValidationInfo) -> float | str | None:
        if value is not None and info.data.get("tta") == 0:
            raise ValueError("says of which samples views are taken, and there are none; say how many, tta: 16")
        return value


class ClassifyRecipe(Recipe):
    """A whole training of a classifier."""

    DEMO = "digits", "a classifier"

    task: Literal["classify"] = Field("classify", description="what kind of training")
    data: ClassifyData = ClassifyData()
    model: ClassifyModel = ClassifyModel()
    train: ClassifyTrain = ClassifyTrain()
    evaluate: SelectiveViews = SelectiveViews()
