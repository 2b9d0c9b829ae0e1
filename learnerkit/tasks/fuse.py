"""From a recipe to DataLoaders of pairs and a Learner that fuses them."""

from pathlib import Path
from typing import Any

from torch import nn

from learnerkit.data.block import ImageLoaders
from learnerkit.data.dls import saliency_dls
from learnerkit.learner.factory import fusion_learner
from learnerkit.learner.kit import KitLearner
from learnerkit.models.create import create_model
from learnerkit.tasks.evaluate import evaluate_parts
from learnerkit.tasks.recipe import FuseRecipe
from learnerkit.tasks.wiring import classifier_callbacks, learner_arguments

evaluate = evaluate_parts


def open_dls(recipe: FuseRecipe) -> ImageLoaders:
    """The DataLoaders of a recipe."""
    settings = recipe.data.model_dump()
    return saliency_dls(Path(settings.pop("path")).resolve(), seed=settings.pop("split_seed"), **settings)


def build_learner(recipe: FuseRecipe, dls: ImageLoaders, cbs: list[Any]) -> KitLearner:
    """The Learner of a recipe, with the callbacks that its fields ask for and those given."""
    model = recipe.model
    return fusion_learner(
        dls,
        model.arch,
        model.fusion,
        dropout=model.dropout,
        fusion_weights=model.fusion_weights,
        cbs=[*classifier_callbacks(recipe), *cbs],
        label_smoothing=recipe.train.label_smoothing,
        **learner_arguments(recipe),
    )


def blank_model(recipe: FuseRecipe) -> nn.Module:
    """A model of the recipe's size, for a forecast of the disk."""
    return create_model(recipe.model.arch, 3, 24, fusion=recipe.model.fusion)
