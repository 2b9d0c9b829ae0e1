"""The recipe of a classifier of images."""

from typing import Annotated, Literal

from pydantic import Field

from learnerkit.recipe import Data, Model, Place, Recipe, Train, Views


class ClassifyData(Data):
    """Images with one label each."""

    path: Place = Field("cifar10", description="official CIFAR folder or archive, image folder, 'cifar10', 'digits'")
    label: Literal["fine", "coarse"] = Field("fine", description="label level of CIFAR-100")
    size: int | None = Field(None, ge=8, description="side in pixels that images of a folder are resized to")
    bad: Literal["refuse", "skip"] = Field("refuse", description="what to do with bad samples and files")
    keeps: tuple[Literal["mirror", "shift"], ...] | None = Field(None, description="views that keep the class")
    stats: Literal["fixed", "data"] | None = Field(None, description="normalise with published figures, or the data's")
    crop: int = Field(4, ge=0, description="zero padding in pixels before the random crop")
    flip: bool | None = Field(None, description="mirror; by default where the set keeps its classes")
    rotate: float = Field(0, ge=0, description="greatest angle in degrees")
    jitter: bool = Field(False, description="brightness, contrast, saturation .3 and hue .1")
    perspective: float = Field(0, ge=0, le=1, description="probability of a perspective")
    randaugment: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=0, le=30)]] | None = Field(
        None, description="operations and magnitude, such as 2,9"
    )
    erase: float = Field(0, ge=0, le=1, description="probability of random erasing")
    cutout: int = Field(0, ge=0, description="side of the cut-out square in pixels")
    num_workers: int = Field(0, ge=0, description="decoding processes for folders too large for memory")


class ClassifyModel(Model):
    """A network for one tensor of images."""

    dropout: float | None = Field(None, ge=0, lt=1, description="the model's dropout; its own default when not given")
    stochastic_depth: float | None = Field(None, ge=0, lt=1, description="drop probability of the last block")


class ClassifyTrain(Train):
    """How a classifier is trained."""

    label_smoothing: float = Field(0, ge=0, lt=1, description="label smoothing")
    cutmix: float = Field(0, ge=0, le=1, description="probability that a batch is cut and mixed")
    mixup: float = Field(0, ge=0, le=1, description="probability that a batch is blended")
    monitor: str = Field("accuracy", description="figure on the valid part that chooses the best weights")
    mode: Literal["min", "max"] = Field("max", description="whether less or more of it is better")


class ClassifyRecipe(Recipe):
    """A whole training of a classifier."""

    DEMO = "digits", "a classifier"

    task: Literal["classify"] = Field("classify", description="what kind of training")
    data: ClassifyData = ClassifyData()
    model: ClassifyModel = ClassifyModel()
    train: ClassifyTrain = ClassifyTrain()
    evaluate: Views = Views()
