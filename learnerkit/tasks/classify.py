"""From a recipe to DataLoaders of images and a Learner that classifies them."""

from pathlib import Path
from typing import Any

from torch import nn

from learnerkit.core.errors import RecipeError
from learnerkit.data.block import ImageLoaders
from learnerkit.data.cifar import LAYOUTS, is_cifar
from learnerkit.data.dls import cifar_dls, digits_dls, folder_dls
from learnerkit.learner.factory import image_learner
from learnerkit.learner.kit import KitLearner
from learnerkit.models.create import create_model
from learnerkit.tasks.evaluate import evaluate_parts
from learnerkit.tasks.recipe import Data, Recipe
from learnerkit.tasks.wiring import classifier_callbacks, learner_arguments

evaluate = evaluate_parts


def open_dls(recipe: Recipe) -> ImageLoaders:
    """The DataLoaders of a recipe; what its path is decides which reader."""
    settings = recipe.data.model_dump()
    path, size, label = settings.pop("path"), settings.pop("size"), settings.pop("label")
    if path == "digits":
        settings.pop("valid"), settings.pop("skip_bad")
        if recipe.data.valid != Data().valid:
            raise RecipeError("valid: the digits have fixed parts of 1,257, 270 and 270 images; leave it out")
        return digits_dls(size=size or 32, **settings)
    if path in LAYOUTS or not Path(path).exists() or is_cifar(Path(path)):
        if size is not None:
            raise RecipeError("size: CIFAR images are 32x32; leave it out")
        return cifar_dls(path if path in LAYOUTS else Path(path).resolve(), label=label, **settings)
    return folder_dls(Path(path).resolve(), size=size, **settings)


def build_learner(recipe: Recipe, dls: ImageLoaders, cbs: list[Any]) -> KitLearner:
    """The Learner of a recipe, with the callbacks that its fields ask for and those given."""
    model = recipe.model
    return image_learner(
        dls,
        model.arch,
        model_args={} if model.dropout is None else {"dropout": model.dropout},
        cbs=[*classifier_callbacks(recipe), *cbs],
        label_smoothing=recipe.train.label_smoothing,
        **learner_arguments(recipe),
    )


def blank_model(recipe: Recipe) -> nn.Module:
    """A model of the recipe's size, for a forecast of the disk."""
    return create_model(recipe.model.arch, 3, 24)
