"""From a recipe of any task to a finished run: data, learner, fit, evaluation."""

from pathlib import Path
from types import ModuleType

from learnerkit.callbacks.ema import EMA
from learnerkit.callbacks.run import Run
from learnerkit.core.files import read_json, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import load_weights
from learnerkit.ops.fuse import Fused
from learnerkit.ops.views import make_views
from learnerkit.tasks import classify, detect, fuse
from learnerkit.tasks.recipe import Recipe
from learnerkit.tasks.wiring import check_fit, fit

WIRING: dict[str, ModuleType] = {"classify": classify, "fuse": fuse, "detect": detect}


def train(
    recipe: Recipe, out: str | Path, name: str | None = None, resume: bool = False, allow: tuple[str, ...] = ()
) -> RunFolder:
    """Train a recipe into a run folder and evaluate the weights that the monitor chose, on valid and, once, on test.

    out: the experiment's folder; name: the run's name under it, or the date and a number.
    resume: go on with the run `name`; allow: what may differ then.
    """
    if not resume and name is not None:
        RunFolder.refuse_taken(out, name)  # before the data are read
    check_fit(recipe)
    wiring, settings = WIRING[recipe.task], recipe.train
    dls = wiring.open_dls(recipe)
    if recipe.evaluate.tta and recipe.task != "detect":
        make_views(recipe.evaluate.tta, "mirror" in dls.source.keeps)  # refuses too many before the training
    run = Run(
        out,
        name,
        monitor=settings.monitor,
        mode=settings.mode,
        checkpoint_every=settings.checkpoint_every,
        keep_last=settings.keep_last,
        keep_every=settings.keep_every,
        keep_checkpoints=settings.keep_checkpoints,
        resume=resume,
        allow=allow,
    )
    run.extra = {"resolved": recipe.model_dump(mode="json"), "title": recipe.title}
    if resume and _lacks_evaluation(RunFolder.open(Path(out) / name)):
        folder = RunFolder.open(Path(out) / name)
        folder.lock()
        learn = wiring.build_learner(recipe, dls, [])
    else:
        learn = wiring.build_learner(recipe, dls, [run])
        fit(recipe, learn)
        folder = run.folder
    learn.remove_cbs([cb for cb in learn.cbs if isinstance(cb, (EMA, Run))])  # the best weights stand for themselves
    best = folder.file("best_model.safetensors")  # not there when the monitor never had a value
    learn.model.load_state_dict(load_weights(best if best.exists() else folder.file("final_model.safetensors")))
    parts = ["valid", "test"] if len(dls.loaders) > 2 else ["valid"]
    wiring.evaluate(learn, folder, parts, recipe.evaluate.tta)
    if isinstance(learn.model, Fused) and learn.model.reported():
        results = folder.file("results.json")
        write_json(results, {**read_json(results), "fusion_weights": learn.model.reported()})
    folder.unlock()
    return folder


def _lacks_evaluation(run: RunFolder) -> bool:
    """Whether a run was trained to its end, let go of its checkpoints, and was killed before it was measured."""
    done = run.status().get("state") == "done"
    return done and not run.checkpoints.exists() and not run.file("predictions.npz").exists()
