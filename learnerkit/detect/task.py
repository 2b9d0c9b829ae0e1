"""The task of detecting objects on frames: what the shared code knows of it."""

from pathlib import Path
from typing import Any

from rich.console import Console
from torch import nn

from learnerkit.core.errors import DataError
from learnerkit.detect import doctor, figures
from learnerkit.detect.changes import changes
from learnerkit.detect.check import learnt, looks
from learnerkit.detect.compare import RANKING
from learnerkit.detect.data.listing import EXPECTED, is_detection
from learnerkit.detect.data.scenes import make_digit_scenes
from learnerkit.detect.dls import NAME, FrameLoaders, detection_dls
from learnerkit.detect.evaluate import check_views, evaluate
from learnerkit.detect.explain import box_scores
from learnerkit.detect.explanations import explain
from learnerkit.detect.galleries import blocks
from learnerkit.detect.learner import DetectionLearner, detection_learner
from learnerkit.detect.metrics import FIGURES
from learnerkit.detect.models.detector import PREFIX
from learnerkit.detect.other import evaluate_other, open_other
from learnerkit.detect.parts import weigh_frames
from learnerkit.detect.predict import blank_dls, frames_in, predict, preprocessing
from learnerkit.detect.recipe import DetectRecipe
from learnerkit.detect.seen import evaluation_of
from learnerkit.detect.tables import tables
from learnerkit.learner.wiring import asked_callbacks, training_arguments
from learnerkit.models.create import create_model
from learnerkit.pages.page import Headline
from learnerkit.task import Demo, Task, made_once

HEADLINES = (
    Headline("test_mAP", "test mAP", "{:.4f}"),
    Headline("test_mAP50", "test mAP50", "{:.4f}"),
    Headline("test_mAP50_tta", "test mAP50 with TTA", "{:.4f}"),
    Headline("valid_mAP", "validation mAP", "{:.4f}"),
    Headline("valid_mAP50", "validation mAP50", "{:.4f}"),
    Headline("ms_per_image", "time an image", "{:.1f} ms"),
)


def open_dls(recipe: DetectRecipe) -> FrameLoaders:
    """The DataLoaders of a recipe."""
    settings = recipe.data.model_dump()
    path = settings.pop("path")
    keeps = settings["keeps"]
    check_views(recipe.evaluate.tta, ("mirror",) if keeps is None else keeps)  # before the frames are read
    dls = detection_dls(Path(path).resolve(), **settings)
    check_views(recipe.evaluate.tta, dls.source.keeps)
    boxes = sum(len(dls.source.boxes[row]) for row in dls.split.valid)
    if not boxes and recipe.train.monitor in FIGURES:
        raise DataError(
            f"{path}: no box stands on the {len(dls.split.valid)} frames of the valid part, so that "
            f"{recipe.train.monitor} cannot choose the best weights; give other parts, or --monitor valid_loss "
            "--mode min"
        )
    return dls


def build_learner(recipe: DetectRecipe, dls: FrameLoaders, cbs: list[Any]) -> DetectionLearner:
    """The Learner of a recipe, with the callbacks that its fields ask for and those given."""
    model = recipe.model.model_dump()
    own = {name: model.pop(name) for name in ("arch", "anchors", "box_batch_size_per_image")}
    model.pop("weights")  # one of the training's arguments
    cbs = [*asked_callbacks(recipe), *cbs]
    return detection_learner(dls, **own, model_args=model, cbs=cbs, **training_arguments(recipe))


def blank_model(recipe: DetectRecipe) -> nn.Module:
    """A model of the recipe's size, for a forecast of the disk."""
    return create_model(f"{PREFIX}{recipe.model.arch}", 5, 24)


def demo(out: Path, console: Console) -> Demo:
    """Scenes of handwritten digits in RGB, thermal and event channels, written once, and a detector to be trained."""
    scenes = out / "scenes"
    with made_once(scenes, out) as missing:
        if missing:
            console.print("  scenes of handwritten digits in RGB, thermal and event channels, half of them by night")
            make_digit_scenes(scenes)
    return Demo("digit-scenes", out, {"data": str(scenes)})


TASK = Task(
    name=NAME,
    recipe=DetectRecipe,
    open_dls=open_dls,
    build_learner=build_learner,
    calls=(detection_dls, detection_learner),
    expects=EXPECTED,
    is_set=is_detection,
    verify=doctor.verify,
    examine=doctor.examine,
    blank_model=blank_model,
    evaluate=evaluate,
    scores=box_scores,
    explain=explain,
    open_other=open_other,
    evaluate_other=evaluate_other,
    inputs=frames_in,
    predict=predict,
    blank_dls=blank_dls,
    preprocessing=preprocessing,
    output="detections",
    looks=looks,
    learnt=learnt,
    learnt_share=0.5,  # of the objects: the smallest take longer than the time that there is
    check_s=20.0,
    demo=demo,
    measures=tuple(FIGURES),
    headlines=HEADLINES,
    evaluation=evaluation_of,
    figures=figures.figures,
    pictures=figures.PICTURES,
    tables=tables,
    blocks=blocks,
    weigh=weigh_frames,
    ranking=RANKING,
    changes=changes,
)
