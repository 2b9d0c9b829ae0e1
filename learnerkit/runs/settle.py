"""What a recipe leaves to the machine: the precision, the batch that fits, the epochs that a time allows."""

import statistics
import time
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.torch_core import default_device

from learnerkit.core.disk import shown_bytes
from learnerkit.core.duration import seconds_of, shown_duration
from learnerkit.core.environment import wait_for
from learnerkit.core.errors import TrainingError
from learnerkit.core.memory import free_bytes
from learnerkit.core.seed import kept_random_state
from learnerkit.core.warn import warn
from learnerkit.data.loaders import KitLoaders, first_batch
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.memory import fitting_size, lacks_memory, step_bytes
from learnerkit.learner.wiring import fit
from learnerkit.recipe import Recipe
from learnerkit.task import Task

TRIED = 8  # steps that are timed
SPARE = 0.95  # part of a budget that is given to the epochs; checkpoints and the first batches take the rest


def settle(recipe: Recipe, task: Task) -> tuple[Recipe, KitLoaders]:
    """A recipe in which nothing is left open, and its DataLoaders.

    TrainingError where not even a batch of 1 fits, and for a time in which no epoch fits.
    """
    if recipe.train.precision == "auto":
        recipe = changed(recipe, train={"precision": precision_of(default_device())})
    if isinstance(recipe.data.bs, str):
        recipe, dls = _smaller_batches(recipe, task)
    else:
        dls = task.open_dls(recipe)
    if recipe.train.budget is not None:
        recipe = changed(recipe, train={"epochs": _epochs_in_time(recipe, task, dls)})
    return recipe, dls


def opened(recipe: Recipe, task: Task) -> KitLoaders:
    """The DataLoaders of a recipe as it stands, nothing tried: where `bs` is open, in batches of the effective size."""
    if isinstance(recipe.data.bs, str):
        recipe = changed(recipe, data={"bs": effective_bs(recipe)})
    return task.open_dls(recipe)


def changed(recipe: Recipe, **sections: dict[str, Any]) -> Recipe:
    """A copy of a recipe with other values in its sections."""
    laid = {name: getattr(recipe, name).model_copy(update=values) for name, values in sections.items()}
    return recipe.model_copy(update=laid)


def precision_of(device: torch.device) -> str:
    """The number format that a device is fast at: bf16 or fp16 on a GPU of NVIDIA's, fp32 elsewhere."""
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def effective_bs(recipe: Recipe) -> int:
    """Samples a step that `auto` keeps to: its number, else what the task's recipes say by default."""
    _, _, number = recipe.data.bs.partition(":")
    return int(number) if number else type(recipe.data).model_fields["bs"].default


def _smaller_batches(recipe: Recipe, task: Task) -> tuple[Recipe, KitLoaders]:
    """The largest batch that fits, of the effective one and its halves, with gradients accumulated to the whole."""
    whole, factor = effective_bs(recipe), 1
    batches = recipe.train.accumulate if recipe.train.accumulate_unit == "batches" else 1
    while True:
        bs = ceil(whole / factor)
        fields = {"accumulate": batches * factor} if recipe.train.accumulate_unit == "batches" else {}
        settled = changed(recipe, data={"bs": bs}, train=fields)
        dls = task.open_dls(settled)
        if _fits(settled, task, dls):
            if factor > 1:
                warn(f"bs auto: {whole} samples do not fit at once; batches of {bs}, {factor} to a step")
            return settled, dls
        if bs == 1:
            raise TrainingError("bs auto: not even a batch of 1 fits into the memory; take a smaller model or size")
        factor *= 2


def _fits(recipe: Recipe, task: Task, dls: KitLoaders) -> bool:
    """Whether a training step fits: by the forecast, and on a GPU by trying one."""
    learn = probe_learner(recipe, task, dls, 1)
    needed, free, _ = _needed(learn)
    if needed is not None and free is not None and needed > free:
        return False
    if next(learn.model.parameters()).device.type != "cuda":
        return True
    try:
        run_probe(recipe, learn)
    except TrainingError as error:
        if error.__cause__ is None or not lacks_memory(error.__cause__):
            raise
        return False
    finally:
        torch.cuda.empty_cache()
    return True


def refuse_too_large(learn: KitLearner) -> None:
    """TrainingError where a batch of the learner is known not to fit, with the size that does; before it is tried."""
    needed, free, inputs = _needed(learn)
    if needed is None or free is None or needed <= free:
        return
    bs = learn.dls.train.bs
    size = fitting_size(learn, bs // 2, inputs, free)
    raise TrainingError(
        f"bs {bs}: a training step takes {shown_bytes(needed)} at the least, and {shown_bytes(free)} of memory are "
        f"free. {f'bs {size} fits' if size else 'No batch fits; take a smaller model or size'}; `--bs auto:{bs}` "
        f"accumulates gradients, so that a step is of {bs} samples all the same."
    )


def _needed(learn: KitLearner) -> tuple[int | None, int | None, tuple[torch.Tensor, ...]]:
    """Bytes that a training step takes at the least, those that are free, and a batch's inputs."""
    with kept_random_state():
        inputs = tuple(first_batch(learn.dls)[: getattr(learn.dls, "n_inp", 1)])
    known = all(isinstance(part, torch.Tensor) for part in inputs)
    needed = step_bytes(learn, learn.dls.train.bs, inputs) if known else None
    return needed, free_bytes(next(learn.model.parameters()).device), inputs


def probe_learner(recipe: Recipe, task: Task, dls: KitLoaders, steps: int) -> KitLearner:
    """A learner of the recipe that trains a few steps and leaves nothing behind."""
    return task.build_learner(trying(recipe, limit_batches=steps), dls, [])


def run_probe(recipe: Recipe, learn: KitLearner) -> None:
    """One silent epoch of a `probe_learner`."""
    with learn.no_bar(), learn.no_logging():
        fit(trying(recipe, limit_batches=1), learn)


def trying(recipe: Recipe, **train: Any) -> Recipe:
    """A recipe of one epoch that leaves nothing behind. train: fields of its training."""
    fields = {"epochs": 1, "budget": None, "early_stop": None, "save_top_k": 0, "mlflow": None, **train}
    if recipe.train.schedule == "plateau":
        fields |= {"schedule": "constant", "schedule_args": {}}
    return changed(recipe, train=fields)


@dataclass(frozen=True)
class Pace:
    """How long training takes here, in seconds: a training batch, a validation batch."""

    train_s: float
    valid_s: float

    def epoch_s(self, dls: KitLoaders, limit: int | None) -> float:
        """Seconds of an epoch. limit: of its batches."""
        n_train, n_valid = (len(dl) if limit is None else min(limit, len(dl)) for dl in (dls.train, dls.valid))
        return n_train * self.train_s + n_valid * self.valid_s


def measure_pace(recipe: Recipe, task: Task, dls: KitLoaders) -> Pace:
    """The pace of a few steps of the training itself, after two that warm up."""
    learn = probe_learner(recipe, task, dls, TRIED)
    learn.add_cb(Callback(after_batch=lambda cb: wait_for(cb.batch_device)))  # before the recorder takes the time
    run_probe(recipe, learn)
    times = [seconds for _, seconds in learn.recorder.places]
    steps = [after - before for before, after in pairwise(times)][1:] or times
    n_valid = min(TRIED, len(dls.valid))
    begun = time.monotonic()
    with learn.no_bar(), learn.no_logging():
        learn.validate(dl=_first_batches(dls.valid, n_valid))
    return Pace(statistics.median(steps), (time.monotonic() - begun) / max(1, n_valid))


def _first_batches(dl: Any, n: int) -> Any:
    return dl.new(get_idxs=lambda: list(range(min(n * dl.bs, dl.n))), n=min(n * dl.bs, dl.n))


def _epochs_in_time(recipe: Recipe, task: Task, dls: KitLoaders) -> int:
    """As many of a recipe's epochs as its budget allows, by the pace that is measured."""
    train = recipe.train
    an_epoch = measure_pace(recipe, task, dls).epoch_s(dls, train.limit_batches)
    epochs = int(seconds_of(train.budget) * SPARE / an_epoch)
    if epochs < 1:
        raise TrainingError(
            f"budget {train.budget}: one epoch takes about {shown_duration(an_epoch)} here. Give more time, or make "
            "epochs shorter (--size, --limit, another --arch)."
        )
    chosen = min(epochs, train.epochs)
    said = f"an epoch takes about {shown_duration(an_epoch)} here"
    warn(
        f"budget {train.budget}: {said}; {chosen} of {train.epochs} epochs are trained, and the schedule ends with them"
    )
    return chosen
