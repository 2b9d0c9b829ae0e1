"""The task of classifying images: what the shared code knows of it."""

from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from learnerkit._fastai import Callback
from learnerkit.callbacks.mix import CutMix, MixUp
from learnerkit.callbacks.stochastic_depth import StochasticDepth
from learnerkit.classify import doctor, figures, galleries, tables
from learnerkit.classify.changes import changes
from learnerkit.classify.check import learnt, looks
from learnerkit.classify.cifar import LAYOUTS, is_cifar
from learnerkit.classify.compare import RANKING
from learnerkit.classify.dls import array_dls, cifar_dls, digits_dls, folder_dls
from learnerkit.classify.ensemble import ensemble
from learnerkit.classify.evaluate import evaluate
from learnerkit.classify.evaluation import evaluation_of
from learnerkit.classify.explanations import explain
from learnerkit.classify.folder import EXPECTED
from learnerkit.classify.learner import image_learner
from learnerkit.classify.loaders import NAME
from learnerkit.classify.metrics import MEASURES
from learnerkit.classify.other import evaluate_other, open_other
from learnerkit.classify.predict import blank_dls, pictures_in, predict, preprocessing
from learnerkit.classify.recipe import ClassifyRecipe
from learnerkit.classify.suspects import find_suspects
from learnerkit.core.errors import DataError, RecipeError
from learnerkit.data.loaders import KitLoaders
from learnerkit.explain.scores import class_scores
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.wiring import asked_callbacks, training_arguments
from learnerkit.models.create import create_model, list_models, takes
from learnerkit.models.info import model_info
from learnerkit.ops.views import make_views
from learnerkit.pages.page import Headline
from learnerkit.recipe import Recipe
from learnerkit.task import Demo, Task

WORDS = "one of the words cifar10, cifar100, digits"
HEADLINES = (
    Headline("test_accuracy", "test accuracy", "{:.2%}"),
    Headline("test_accuracy_tta", "test accuracy with TTA", "{:.2%}"),
    Headline("valid_accuracy", "validation accuracy", "{:.2%}"),
    Headline("test_macro_f1", "test macro F1", "{:.4f}"),
)


def open_dls(recipe: ClassifyRecipe) -> KitLoaders:
    """The DataLoaders of a recipe; what its path is decides which reader."""
    settings = recipe.data.model_dump()
    path, label, bad = (settings.pop(name) for name in ("path", "label", "bad"))
    of_folders = {name: settings.pop(name) for name in ("resize", "cache")}
    if path == "digits":
        dls = digits_dls(**{**settings, "size": settings["size"] or 32})
    elif (path in LAYOUTS and not Path(path).exists()) or is_cifar(Path(path)):
        dls = cifar_dls(path if path in LAYOUTS else Path(path).resolve(), label=label, bad=bad, **settings)
    elif not Path(path).is_dir():
        what = "is a file" if Path(path).exists() else "no such file or folder"
        raise DataError(f"{path}: {what}. --data takes {EXPECTED}, an official CIFAR folder or archive, or {WORDS}")
    else:
        dls = folder_dls(Path(path).resolve(), bad=bad, **of_folders, **settings)
    check_views(recipe, dls)
    return dls


def check_views(recipe: Recipe, dls: KitLoaders) -> None:
    """DataError when more test-time views are asked for than there are; before the training."""
    if recipe.evaluate.tta:
        make_views(recipe.evaluate.tta, "mirror" in dls.source.keeps)


def build_learner(recipe: ClassifyRecipe, dls: KitLoaders, cbs: list[Any]) -> KitLearner:
    """The Learner of a recipe, with the callbacks that its fields ask for and those given."""
    return image_learner(
        dls,
        recipe.model.arch,
        model_args=_model_args(recipe),
        cbs=[*classifier_callbacks(recipe), *cbs],
        label_smoothing=recipe.train.label_smoothing,
        class_weights=recipe.train.class_weights,
        **training_arguments(recipe),
    )


def _model_args(recipe: ClassifyRecipe) -> dict[str, Any]:
    arch, dropout = recipe.model.arch, recipe.model.dropout
    if dropout is None:
        return {}
    if ":" not in arch and arch in list_models() and not takes(arch, "dropout"):
        raise RecipeError(
            f"model.dropout: {arch} has none, and the recipe says {dropout:g}; leave it out by --dropout null "
            "(in a file dropout: null)"
        )
    return {"dropout": dropout}


def classifier_callbacks(recipe: Recipe) -> list[Callback]:
    """The callbacks that the fields of a classifier's recipe ask for."""
    model, train = recipe.model, recipe.train
    asked = [
        StochasticDepth(model.stochastic_depth) if model.stochastic_depth is not None else None,
        CutMix(p=train.cutmix) if train.cutmix else None,
        MixUp(p=train.mixup) if train.mixup else None,
    ]
    return [cb for cb in asked if cb is not None] + asked_callbacks(recipe)


def blank_model(recipe: ClassifyRecipe) -> nn.Module:
    """A model of the recipe's size, for a forecast of the disk."""
    return create_model(recipe.model.arch, 3, 24, **_model_args(recipe))


def cost(recipe: ClassifyRecipe) -> float:
    """The multiply-adds of an image, by which the epochs of one set cost time."""
    with torch.device("meta"):
        model = blank_model(recipe)
    side = recipe.data.size or 32
    return float(model_info(model, side if isinstance(side, int) else max(side))["multiply_adds"])


def demo(out: Path, console: Console) -> Demo:
    """The digits, embedded in scikit-learn."""
    console.print("digits: 1,257 training, 270 validation, 270 test images of scikit-learn's handwritten digits")
    return Demo("digits", out)


TASK = Task(
    name=NAME,
    recipe=ClassifyRecipe,
    open_dls=open_dls,
    build_learner=build_learner,
    calls=(cifar_dls, digits_dls, folder_dls, array_dls, image_learner),
    expects=EXPECTED + "; an official CIFAR folder or archive",
    is_set=doctor.is_set,
    verify=doctor.verify,
    examine=doctor.examine,
    blank_model=blank_model,
    cost=cost,
    evaluate=evaluate,
    open_other=open_other,
    evaluate_other=evaluate_other,
    inputs=pictures_in,
    predict=predict,
    blank_dls=blank_dls,
    preprocessing=preprocessing,
    output="logits",
    ensemble=ensemble,
    demo=demo,
    scores=class_scores,
    explain=explain,
    suspects=find_suspects,
    looks=looks,
    learnt=learnt,
    measures=MEASURES,
    headlines=HEADLINES,
    evaluation=evaluation_of,
    figures=figures.figures,
    pictures=figures.PICTURES,
    tables=tables.tables,
    blocks=galleries.blocks,
    ranking=RANKING,
    changes=changes,
)
