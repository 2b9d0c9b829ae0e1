"""From a recipe to DataLoaders, Learner and a finished classification run: all the wiring of this task."""

from pathlib import Path
from typing import Any

from learnerkit.callbacks.ema import EMA
from learnerkit.callbacks.mix import CutMix, MixUp
from learnerkit.callbacks.run import Run
from learnerkit.callbacks.schedule import Schedule, check_schedule
from learnerkit.callbacks.stochastic_depth import StochasticDepth
from learnerkit.callbacks.track import EarlyStop, SaveTopK
from learnerkit.core.errors import RecipeError, check_keys
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import load_weights
from learnerkit.data.block import ImageLoaders
from learnerkit.data.cifar import LAYOUTS, is_cifar
from learnerkit.data.dls import cifar_dls, digits_dls, folder_dls
from learnerkit.learner.factory import image_learner
from learnerkit.learner.kit import KitLearner
from learnerkit.ops.views import make_views
from learnerkit.tasks.evaluate import evaluate_parts
from learnerkit.tasks.recipe import Data, Recipe


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
    model, train = recipe.model, recipe.train
    own = [
        StochasticDepth(model.stochastic_depth) if model.stochastic_depth is not None else None,
        CutMix(train.cutmix) if train.cutmix else None,
        MixUp(train.mixup) if train.mixup else None,
        EMA(train.ema) if train.ema else None,
        EarlyStop(train.monitor, train.mode, train.early_stop) if train.early_stop is not None else None,
        SaveTopK(train.monitor, train.mode, train.save_top_k) if train.save_top_k else None,
    ]
    return image_learner(
        dls,
        model.arch,
        label_smoothing=train.label_smoothing,
        opt=train.opt,
        lr=train.lr,
        wd=train.wd,
        momentum=train.momentum,
        seed=recipe.seed,
        precision=train.precision,
        clip=train.clip,
        accumulate=train.accumulate,
        accumulate_unit=train.accumulate_unit,
        channels_last=train.channels_last,
        compile=train.compile,
        guard=train.guard,
        limit_batches=train.limit_batches,
        model_args={} if model.dropout is None else {"dropout": model.dropout},
        cbs=[cb for cb in own if cb is not None] + cbs,
    )


def fit(recipe: Recipe, learn: KitLearner) -> None:
    """Fit by the recipe's schedule: fastai's one-cycle, or one of `Schedule`."""
    train = recipe.train
    if train.schedule == "one_cycle":
        learn.fit_one_cycle(train.epochs, train.lr, **train.schedule_args)
    else:
        options = {"monitor": train.monitor, "mode": train.mode} if train.schedule == "plateau" else {}
        learn.fit(train.epochs, train.lr, cbs=Schedule(train.schedule, **options, **train.schedule_args))


def train(
    recipe: Recipe, out: str | Path, name: str | None = None, resume: bool = False, allow: tuple[str, ...] = ()
) -> RunFolder:
    """Train a recipe into a run folder and evaluate the weights that the monitor chose, on valid and, once, on test.

    out: the experiment's folder; name: the run's name under it, or the date and a number.
    resume: go on with the run `name`; allow: what may differ then.
    """
    if not resume and name is not None:
        RunFolder.refuse_taken(out, name)  # before the data are read
    dls = open_dls(recipe)
    settings = recipe.train
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
    if settings.schedule == "one_cycle":
        faults = check_keys(settings.schedule_args, ("div", "div_final", "pct_start", "moms"), "train.schedule_args")
    else:
        faults = check_schedule(settings.schedule, settings.schedule_args)
    if faults:
        raise RecipeError("; ".join(faults))
    if recipe.evaluate.tta:
        make_views(recipe.evaluate.tta, "mirror" in dls.source.keeps)  # refuses too many before the training
    run.extra = {"resolved": recipe.model_dump(mode="json"), "title": recipe.title}
    learn = build_learner(recipe, dls, [run])
    fit(recipe, learn)
    learn.remove_cbs([cb for cb in learn.cbs if isinstance(cb, (EMA, Run))])  # the best weights stand for themselves
    learn.model.load_state_dict(load_weights(run.folder.file("best_model.safetensors")))
    parts = ["valid", "test"] if len(dls.loaders) > 2 else ["valid"]
    evaluate_parts(learn, run.folder, parts, recipe.evaluate.tta)
    run.folder.unlock()
    return run.folder
