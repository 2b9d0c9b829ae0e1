"""From a recipe to DataLoaders of frames with boxes and a Learner that detects."""

from pathlib import Path
from typing import Any

from torch import nn

from learnerkit.core.errors import DataError
from learnerkit.data.block import ImageLoaders
from learnerkit.data.dls import detection_dls
from learnerkit.learner.detection import detection_learner
from learnerkit.learner.kit import KitLearner
from learnerkit.metrics.detection import FIGURES
from learnerkit.models.create import DETECTOR, create_model
from learnerkit.tasks.evaluate_detection import check_views, evaluate_detection
from learnerkit.tasks.recipe import DetectRecipe
from learnerkit.tasks.wiring import asked_callbacks, learner_arguments

evaluate = evaluate_detection


def open_dls(recipe: DetectRecipe) -> ImageLoaders:
    """The DataLoaders of a recipe."""
    check_views(recipe.evaluate.tta, recipe.data.keeps)
    settings = recipe.data.model_dump()
    dls = detection_dls(Path(settings.pop("path")).resolve(), seed=settings.pop("split_seed"), **settings)
    boxes = sum(len(dls.source.boxes[row]) for row in dls.split.valid)
    if not boxes and recipe.train.monitor in FIGURES:
        raise DataError(
            f"{recipe.data.path}: no box stands on the {len(dls.split.valid)} frames of the valid part, so that "
            f"{recipe.train.monitor} cannot choose the best weights; give other parts, or --monitor valid_loss "
            "--mode min"
        )
    return dls


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
