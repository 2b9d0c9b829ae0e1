"""From a recipe to DataLoaders of frames with boxes and a Learner that detects."""

from pathlib import Path
from typing import Any

from torch import nn

from learnerkit.core.errors import RecipeError
from learnerkit.data.block import ImageLoaders
from learnerkit.data.dls import detection_dls
from learnerkit.learner.detection import detection_learner
from learnerkit.learner.kit import KitLearner
from learnerkit.models.create import DETECTOR, create_model
from learnerkit.tasks.evaluate_detection import evaluate_detection
from learnerkit.tasks.recipe import DetectRecipe
from learnerkit.tasks.wiring import asked_callbacks, learner_arguments

evaluate = evaluate_detection


def open_dls(recipe: DetectRecipe) -> ImageLoaders:
    """The DataLoaders of a recipe."""
    if recipe.evaluate.tta not in (0, 2):
        raise RecipeError(f"tta: {recipe.evaluate.tta}: a detector has two views, plain and mirrored; 0 or 2")
    if recipe.evaluate.tta and "mirror" not in recipe.data.keeps:
        raise RecipeError(
            "tta: the second view is a mirror, which keeps says makes other classes; leave one of them out"
        )
    settings = recipe.data.model_dump()
    return detection_dls(Path(settings.pop("path")).resolve(), seed=settings.pop("split_seed"), **settings)


def build_learner(recipe: DetectRecipe, dls: ImageLoaders, cbs: list[Any]) -> KitLearner:
    """The Learner of a recipe, with the callbacks that its fields ask for and those given."""
    model = recipe.model.model_dump()
    return detection_learner(
        dls,
        model.pop("arch"),
        weights=model.pop("weights"),
        anchors=model.pop("anchors"),
        box_batch_size_per_image=model.pop("box_batch_size_per_image"),
        model_args=model,
        cbs=[*asked_callbacks(recipe), *cbs],
        **learner_arguments(recipe),
    )


def blank_model(recipe: DetectRecipe) -> nn.Module:
    """A model of the recipe's size, for a forecast of the disk."""
    return create_model(f"{DETECTOR}{recipe.model.arch}", 5, 24)
