"""The recipe of a network that fuses pairs of maps."""

from typing import Literal

from pydantic import Field

from learnerkit.classify.recipe import ClassifyTrain, SelectiveViews
from learnerkit.core.ranges import AtLeastOne, Count, Flag, NotNegative, Number, Share, ShareBelowOne
from learnerkit.fuse.modes import EVERY_MODE, MODES, WEIGHTS
from learnerkit.recipe import BS_TEXT, BatchSize, Data, Model, Place, Recipe


class FuseData(Data):
    """Pairs of maps."""

    path: Place = Field("pairs", description="folder of .pt, .npz or .safetensors files with two maps each")
    bs: BatchSize = Field(64, description=BS_TEXT)
    layer: Literal["early", "middle", "late"] | None = Field(None, description="files of one layer alone")
    keys: tuple[str | int, str | int, str | int] | None = Field(
        None, description="where saliency map, attention map and class stand in a file, such as sal,attn,label"
    )
    names: str | None = Field(None, description="'relations', or the file of a class list; what the files say without")
    group: str | None = Field(None, description="key that says the source image, or 'name'; found without")
    size: tuple[AtLeastOne, AtLeastOne] | AtLeastOne | None = Field(
        None, description="side, or height,width, that maps are resized to"
    )
    order: Literal["chw", "hwc"] | None = Field(None, description="dimensions of a map; found by the shape without")
    bad: Literal["refuse", "skip"] = Field("refuse", description="what to do with bad samples and files")
    keeps: tuple[Literal["mirror", "shift"], ...] | None = Field(None, description="views that keep the class")
    stats: Literal["none", "data"] = Field("none", description="maps as stored, or to mean 0 and deviation 1 before")
    crop: Count = Field(0, description="zero padding in pixels before a random crop of both maps")
    flip: Flag = Field(False, description="mirror; refused where it makes another class")
    noise: NotNegative = Field(0, description="standard deviation of Gaussian noise, in the maps' units")
    map_dropout: Share = Field(0, description="probability that one of the two maps is zeroed")
    cache: str | None = Field(None, description="where the packed set is written; the user's cache folder without it")
    num_workers: Count | None = Field(None, description="processes of the first reading; the cores without it")


class FuseModel(Model):
    """A network with a fusion before it."""

    arch: str = Field("wrn_28_10", description="a name of list_models(), timm:NAME or torchvision:NAME")
    fusion: Literal[EVERY_MODE] = Field(
        "concat", description="how the two maps are fused", json_schema_extra={"all": list(MODES)}
    )
    fusion_weights: tuple[Number, Number] = Field(WEIGHTS, description="of saliency and attention, for 'weighted'")
    dropout: ShareBelowOne | None = Field(0.3, description="of families that have one")
    stochastic_depth: ShareBelowOne | None = Field(None, description="drop probability of the last block")


class FuseRecipe(Recipe):
    """A whole training on pairs of maps."""

    DEMO = "saliency", "fusions"

    task: Literal["fuse"] = Field("fuse", description="what kind of training")
    data: FuseData = FuseData()
    model: FuseModel = FuseModel()
    train: ClassifyTrain = ClassifyTrain()
    evaluate: SelectiveViews = SelectiveViews()
