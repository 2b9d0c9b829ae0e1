"""The task of fusing pairs of maps: what the shared code knows of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import nn

from learnerkit.classify import figures as classify
from learnerkit.classify.changes import changes
from learnerkit.classify.check import learnt, looks
from learnerkit.classify.compare import RANKING
from learnerkit.classify.dls import digits_dls
from learnerkit.classify.ensemble import ensemble
from learnerkit.classify.evaluation import evaluation_of
from learnerkit.classify.explanations import explain
from learnerkit.classify.galleries import blocks
from learnerkit.classify.learner import image_learner
from learnerkit.classify.metrics import MEASURES
from learnerkit.classify.other import evaluate_other
from learnerkit.classify.suspects import find_suspects
from learnerkit.classify.task import HEADLINES, check_views, classifier_callbacks
from learnerkit.data.loaders import KitLoaders
from learnerkit.explain.scores import class_scores
from learnerkit.fuse import doctor
from learnerkit.fuse.dls import NAME, saliency_dls
from learnerkit.fuse.evaluate import evaluate
from learnerkit.fuse.learner import fusion_learner
from learnerkit.fuse.listing import EXPECTED, is_pairs
from learnerkit.fuse.make import make_saliency_pairs
from learnerkit.fuse.model import PREFIX
from learnerkit.fuse.names import RELATION_NAMES
from learnerkit.fuse.other import open_other
from learnerkit.fuse.predict import blank_dls, pairs_in, predict, preprocessing
from learnerkit.fuse.recipe import FuseRecipe
from learnerkit.fuse.tables import tables
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.wiring import training_arguments
from learnerkit.models.create import create_model
from learnerkit.task import Demo, Task, made_once


def open_dls(recipe: FuseRecipe) -> KitLoaders:
    """The DataLoaders of a recipe."""
    settings = recipe.data.model_dump()
    if settings["names"] not in (None, RELATION_NAMES):
        settings["names"] = Path(settings["names"]).resolve()
    dls = saliency_dls(Path(settings.pop("path")).resolve(), **settings)
    check_views(recipe, dls)
    return dls


def build_learner(recipe: FuseRecipe, dls: KitLoaders, cbs: list[Any]) -> KitLearner:
    """The Learner of a recipe, with the callbacks that its fields ask for and those given."""
    model = recipe.model
    return fusion_learner(
        dls,
        model.arch,
        fusion=model.fusion,
        fusion_weights=model.fusion_weights,
        dropout=model.dropout,
        cbs=[*classifier_callbacks(recipe), *cbs],
        label_smoothing=recipe.train.label_smoothing,
        class_weights=recipe.train.class_weights,
        **training_arguments(recipe),
    )


def blank_model(recipe: FuseRecipe) -> nn.Module:
    """A model of the recipe's size, for a forecast of the disk."""
    return create_model(f"{PREFIX}{recipe.model.arch}", 3, 24, fusion=recipe.model.fusion)


def demo(out: Path, console: Console) -> Demo:
    """Pairs of maps of the handwritten digits, made once, and all seven fusions to be trained briefly."""
    pairs = out / "pairs"
    with made_once(pairs, out) as missing:
        if missing:
            console.print("  a classifier of the digits, whose gradients and Grad-CAM make the pairs")
            dls = digits_dls(bs=64)
            learn = image_learner(dls, "simple_cnn", seed=1)
            learn.fit_one_cycle(6, 0.1)
            make_saliency_pairs(learn, dls, pairs, layer="middle")
    settings = {"data": str(pairs), "cache": str(out / "cache"), "arch": "wrn_10_1", "epochs": "8", "lr": ".05"}
    settings |= {"schedule": "one_cycle", "stats": "data"}
    return Demo("saliency-wrn", out / "runs", settings, ("fusion=all",), jobs=2)


TASK = Task(
    name=NAME,
    recipe=FuseRecipe,
    open_dls=open_dls,
    build_learner=build_learner,
    calls=(saliency_dls, fusion_learner, image_learner),
    expects=EXPECTED,
    is_set=is_pairs,
    verify=doctor.verify,
    examine=doctor.examine,
    blank_model=blank_model,
    evaluate=evaluate,
    open_other=open_other,
    evaluate_other=evaluate_other,
    inputs=pairs_in,
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
    figures=classify.figures,
    pictures=classify.PICTURES,
    tables=tables,
    blocks=blocks,
    ranking=replace(RANKING, picture="fusion_comparison"),
    changes=changes,
)
