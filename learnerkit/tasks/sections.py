"""The fields of a recipe, group by group: what is trained on, what is trained, how, and how it is measured.

This module imports no torch, so that `--help` is instant. Longer than most: it is one list of fields, read at a glance.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from learnerkit.core.modes import EVERY_MODE


class Section(BaseModel):
    """A group of fields; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Data(Section):
    """What is trained on."""

    path: str = Field(
        "cifar10", min_length=1, description="official CIFAR folder or archive, image folder, 'cifar10', 'digits'"
    )
    bs: int = Field(128, ge=1, description="images a batch")
    label: Literal["fine", "coarse"] = Field("fine", description="label level of CIFAR-100")
    size: int | None = Field(None, ge=8, description="side in pixels that folder images are resized to")
    valid: float | Literal["test"] = Field(0.1, description="part of the training images held out, or 'test'")
    split_seed: int = Field(42, ge=0, lt=2**32, description="which lot decides the parts")
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
    limit: int | None = Field(None, ge=1, description="only so many images of each part")
    skip_bad: bool = Field(False, description="train without bad samples, listed in quarantine.csv")
    num_workers: int = Field(0, ge=0, description="decoding processes for folders too large for memory")


class FuseData(Section):
    """Pairs of maps."""

    path: str = Field("pairs", min_length=1, description="folder of .pt files with two maps each")
    bs: int = Field(64, ge=1, description="pairs a batch")
    layer: Literal["early", "middle", "late"] | None = Field(None, description="files of one layer alone")
    split: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.7, 0.15, 0.15), min_length=3, max_length=3, description="train, valid and test, summing to 1"
    )
    split_seed: int = Field(42, ge=0, lt=2**32, description="which lot decides the parts")
    normalize: bool = Field(False, description="maps to mean 0 and deviation 1 before they are fused")
    shift: int = Field(0, ge=0, description="greatest shift of both maps in pixels")
    flip: bool = Field(False, description="mirror; refused where it makes another class")
    keeps: tuple[Literal["mirror", "shift"], ...] = Field(("shift",), description="views that keep the class")
    noise: float = Field(0, ge=0, description="standard deviation of Gaussian noise, in the maps' units")
    map_dropout: float = Field(0, ge=0, le=1, description="probability that one of the two maps is zeroed")
    limit: int | None = Field(None, ge=1, description="only so many samples of each part")
    skip_bad: bool = Field(False, description="train without bad samples, listed in quarantine.csv")
    cache: str | None = Field(None, description="where the packed set is written; the user's cache folder without it")
    num_workers: int | None = Field(None, ge=0, description="processes of the first reading; the cores without it")


class Model(Section):
    """What is trained."""

    arch: str = Field("resnet18", description="a name of list_models(), timm:NAME or torchvision:NAME")
    dropout: float | None = Field(None, ge=0, lt=1, description="the model's dropout; its own default when not given")
    stochastic_depth: float | None = Field(None, ge=0, lt=1, description="drop probability of the last block")


class FuseModel(Section):
    """A network with a fusion before it."""

    arch: str = Field("wrn_28_10", description="a name of list_models(), timm:NAME or torchvision:NAME")
    fusion: Literal[EVERY_MODE] = Field("concat", description="how the two maps are fused")
    fusion_weights: tuple[float, float] = Field((0.6, 0.4), description="of saliency and attention, for 'weighted'")
    dropout: float | None = Field(0.3, ge=0, lt=1, description="of families that have one")
    stochastic_depth: float | None = Field(None, ge=0, lt=1, description="drop probability of the last block")


class DetectData(Section):
    """Frames with boxes."""

    path: str = Field("frames", min_length=1, description="folder of frames and labels, or COCO annotations")
    bs: int = Field(2, ge=1, description="frames a batch")
    split: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.7, 0.1, 0.2), min_length=3, max_length=3, description="train, valid and test, summing to 1"
    )
    split_seed: int = Field(42, ge=0, lt=2**32, description="which lot decides the parts")
    size: int | None = Field(None, ge=32, description="longer side in pixels that frames are resized to")
    stats: Literal["fixed", "data"] = Field("fixed", description="normalise with fixed figures, or those of the data")
    flip: bool | None = Field(None, description="mirror; by default where the set keeps its classes")
    keeps: tuple[Literal["mirror"], ...] = Field(("mirror",), description="views that keep the class")
    iou_crop: float = Field(0, ge=0, le=1, description="probability of a crop that keeps a share of the boxes")
    scale_jitter: float = Field(0, ge=0, lt=1, description="greatest change of the scale, .2 for .8 to 1.25 times")
    colour: float = Field(0, ge=0, le=1, description="probability that the colours of RGB are changed")
    modality_dropout: float = Field(0, ge=0, le=1, description="probability that a channel behind RGB is switched off")
    modalities: tuple[str, ...] = Field((), description="names of the channels behind RGB")
    limit: int | None = Field(None, ge=1, description="only so many samples of each part")
    bad: Literal["refuse", "skip", "clip"] = Field("refuse", description="what to do with bad boxes and files")
    num_workers: int = Field(0, ge=0, description="processes that read and augment frames")


class DetectModel(Section):
    """A detector."""

    arch: str = Field("mit_b0", description="mit_b0 to mit_b5, timm:NAME or torchvision:NAME")
    weights: str | None = Field(None, description="SegFormer weights of a MiT, a safetensors file")
    anchors: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        None, min_length=5, max_length=5, description="sides in pixels; from the training boxes without it"
    )
    box_batch_size_per_image: int = Field(64, ge=1, description="regions sampled for the box head's loss")
    streams: Literal[1, 2] | None = Field(None, description="2: RGB and the other channels apart, where there are any")
    proposals: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        (1000, 300), description="regions of the first stage, in training and in evaluation"
    )
    detections: int = Field(100, ge=1, description="most detections an image; COCO's mAP counts the best 100")
    stochastic_depth: float = Field(0.1, ge=0, lt=1, description="drop probability of the last block")


class Train(Section):
    """How it is trained, whatever the task."""

    epochs: int = Field(30, ge=1, description="epochs")
    lr: float = Field(0.1, gt=0, description="greatest learning rate")
    schedule: Literal["one_cycle", "cosine", "step", "multistep", "exponential", "plateau", "constant"] = Field(
        "one_cycle", description="learning-rate schedule"
    )
    schedule_args: dict[str, Any] = Field({}, description="arguments of torch's scheduler, such as {step_size: 30}")
    opt: str = Field("sgd", description="sgd (Nesterov), adam, adamw, rmsprop")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum, or Adam's first beta")
    wd: float = Field(5e-4, ge=0, description="weight decay")
    clip: float = Field(0, ge=0, description="greatest norm of the gradient; 0 for none")
    ema: float = Field(0, ge=0, lt=1, description="decay of the averaged weights; 0 for none")
    precision: Literal["fp32", "bf16", "fp16"] = Field("fp32", description="number format of the forward pass")
    accumulate: int = Field(1, ge=1, description="batches or samples for one optimizer step")
    accumulate_unit: Literal["batches", "samples"] = Field("batches", description="what accumulate counts")
    channels_last: bool = Field(True, description="memory layout of the weights")
    compile: bool = Field(False, description="torch.compile the model")
    guard: Literal["stop", "skip", "rollback"] = Field(
        "stop", description="what to do when an input, loss or gradient is not finite"
    )
    limit_batches: int | None = Field(None, ge=1, description="so many batches an epoch, for quick trials")
    monitor: str = Field("accuracy", description="figure on the valid part that chooses the best weights")
    mode: Literal["min", "max"] = Field("max", description="whether less or more of it is better")
    early_stop: int | None = Field(None, ge=0, description="stop after so many epochs without improvement")
    save_top_k: int = Field(0, ge=0, description="keep the weights of the k best epochs")
    checkpoint_every: int = Field(10, ge=0, description="epochs between resumable checkpoints")
    keep_last: int = Field(2, ge=2, description="checkpoints kept besides the best")
    keep_every: int = Field(0, ge=0, description="keep the checkpoint of every n-th epoch too; 0 for none")
    keep_checkpoints: bool = Field(True, description="keep checkpoints after the end; the weights always stay")


class ClassifyTrain(Train):
    """How a classifier is trained."""

    label_smoothing: float = Field(0, ge=0, lt=1, description="label smoothing")
    cutmix: float = Field(0, ge=0, le=1, description="probability that a batch is cut and mixed")
    mixup: float = Field(0, ge=0, le=1, description="probability that a batch is blended")


class DetectTrain(Train):
    """How a detector is trained."""

    lr: float = Field(0.005, gt=0, description="greatest learning rate")
    schedule: Literal["one_cycle", "cosine", "step", "multistep", "exponential", "plateau", "constant"] = Field(
        "step", description="learning-rate schedule"
    )
    lr_step_size: int = Field(10, ge=1, description="epochs between the steps of the schedule 'step'")
    lr_gamma: float = Field(0.1, gt=0, le=1, description="factor of each step")
    channels_last: bool = Field(False, description="memory layout of the weights")
    monitor: str = Field("mAP", description="figure on the valid part that chooses the best weights")


class Evaluate(Section):
    """How the result is measured."""

    tta: int = Field(0, ge=0, le=34, description="test-time views; 0 for none")
