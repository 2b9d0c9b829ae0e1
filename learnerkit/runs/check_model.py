"""What `learnerkit check` asks of a training: some real steps, one batch learnt, a resume, and what all of it costs."""

import copy
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from fastai.learner import CancelTrainException

from learnerkit._fastai import Callback
from learnerkit.callbacks.diagnose import Diagnose
from learnerkit.callbacks.mix import Mixer
from learnerkit.callbacks.run import RunKeeper
from learnerkit.core.disk import free_bytes, shown_bytes
from learnerkit.core.duration import shown_duration
from learnerkit.core.errors import TrainingError
from learnerkit.core.signs import FIRST, LATEST
from learnerkit.core.text import some
from learnerkit.data.loaders import KitLoaders
from learnerkit.learner.make import make_opt_func
from learnerkit.learner.wiring import fit
from learnerkit.recipe import Recipe
from learnerkit.runs.checked import Checked, Clock, Line, Repeated, acting, busy, silently, smaller
from learnerkit.runs.settle import trying
from learnerkit.task import Task

STEPS, TRIED = 64, 16  # of the training itself that are tried at most, and samples of each
LEARNT = 8  # samples of the batch that is learnt
MOST, ENOUGH = 200, 30  # steps for it; so many without it being learnt are a fault
LEFT = 0.02  # of its loss at the start, with which it counts as learnt by heart
SHRUNK = 0.5  # of its loss at the start, to which it has to come
RATE = 1e-3  # of Adam, that learns a batch with most networks
FEW, FEWEST = 4, 2  # samples of a batch, and steps, of the resume; of a large model
LARGE = 0.1  # seconds of a sample's step, from which a model is large here
NAMES = {  # of the signs that a few steps can show, and what they are checked as
    "frozen": "gradients",
    "loss_of_probabilities": "loss",
    "normalised_twice": "inputs",
    "not_normalised": "inputs",
    "one_class_trained": "targets",
    "empty_targets": "targets",
    "boxes_off": "targets",
    "rate_too_high": "rate",
}


def check_steps(recipe: Recipe, task: Task, dls: KitLoaders, found: Checked) -> list[Line]:
    """Real steps of the training: their signs, and the pace, which goes into the forecast."""
    trial = trying(recipe, limit_batches=STEPS, diagnose=True)
    small = smaller(dls, TRIED)
    clock = Clock(task.check_s, least=max(2, -(-TRIED // small.train.bs)))  # a sign of targets asks for so many samples
    learn = task.build_learner(trial, small, [clock.callback()])
    learn.remove_cb(Diagnose)
    learn.add_cb(diagnose := Diagnose(every=1))
    error = None
    try:
        with silently(learn):
            fit(trial, learn)
    except TrainingError as raised:
        error = raised
    told = {record["sign"]: record for record in diagnose.records if record["sign"] in NAMES}
    lines = [Line(NAMES[name], False, record["text"], record["try"]) for name, record in told.items()]
    if error is not None and not told:
        lines.append(
            Line("rate", False, str(error).split(". ")[0], "a tenth of the rate (--lr); `learnerkit doctor DATA`")
        )
    steps = len(learn.recorder.places)
    said = {line.check for line in lines}
    good = {
        "inputs": "as the set's figures say, once" if getattr(dls.source, "stats", None) else "as they are stored",
        "targets": f"of {steps} batches, as they are due",
        "rate": f"finite, and no higher than it was, over {steps} steps"
        if steps >= FIRST + LATEST
        else f"finite over {steps} steps, too few to tell a slow rise",
    }
    lines += [Line(name, True, text) for name, text in good.items() if name not in said]
    _forecast(recipe, learn, dls, clock, found)
    return lines


def _forecast(recipe: Recipe, learn: Any, dls: KitLoaders, clock: Clock, found: Checked) -> None:
    """Seconds and bytes of the whole training, from the steps that were tried: time goes by samples."""
    times = [seconds for _, seconds in learn.recorder.places]
    steps = [after - before for before, after in pairwise(times)]
    valid = [after - before for before, after in pairwise(clock.valid_times)]
    train = recipe.train
    if steps:
        limit, an_epoch = train.limit_batches or 10**9, 0.0
        for whole, tried, seconds in ((dls.train, learn.dls.train, steps), (dls.valid, learn.dls.valid, valid)):
            an_epoch += min(limit, len(whole)) * whole.bs / tried.bs * (median(seconds) if seconds else 0)
        found.forecast |= {"seconds": an_epoch * train.epochs, "sample": median(steps) / learn.dls.train.bs}
    learn.n_epoch = train.epochs
    options = {name: getattr(train, name) for name in ("checkpoint_every", "keep_last", "keep_every")}
    found.forecast["bytes"] = RunKeeper(**options).retention.forecast(learn)


def check_forecast(found: Checked, out: Path) -> list[Line]:
    """Time and disk of the whole training. out: where its runs would stand."""
    if "bytes" not in found.forecast:
        return []
    needed, free = found.forecast["bytes"], free_bytes(out)
    epochs = found.recipe.train.epochs
    time_text = (
        f"about {shown_duration(found.forecast['seconds'])}" if "seconds" in found.forecast else "a time unknown"
    )
    text = f"{epochs} epochs take {time_text} here, and {shown_bytes(needed)} of disk; {shown_bytes(free)} are free"
    good = needed < free
    return [Line("forecast", good, text, "" if good else "keep less (--keep-last, --checkpoint-every)")]


class Gradients:
    """Which parameters have had a gradient that is not 0, and which one that is not finite; `look` at each step."""

    def __init__(self) -> None:
        self.moved: set[str] = set()
        self.broken: set[str] = set()

    def look(self, cb: Callback) -> None:
        """Read the gradients of a step."""
        named = [(name, p.grad) for name, p in cb.learn.model.named_parameters() if p.grad is not None]
        if not named:
            return
        norms = torch.stack(torch._foreach_norm([gradient for _, gradient in named])).tolist()
        self.moved |= {name for (name, _), norm in zip(named, norms, strict=True) if norm != 0}
        self.broken |= {name for (name, _), norm in zip(named, norms, strict=True) if not np.isfinite(norm)}


class UntilLearnt:
    """Ends a training once its time is over, or its loss is a small part of its start; `look` at each batch."""

    def __init__(self, seconds: float) -> None:
        self.until, self.losses = busy() + seconds, []

    def look(self, cb: Callback) -> None:
        """Keep the loss of a training batch."""
        if cb.learn.training:
            self.losses.append(float(cb.learn.loss))
            small = len(self.losses) > ENOUGH and max(self.losses[-3:]) < LEFT * self.losses[0]
            if small or busy() > self.until:
                raise CancelTrainException


def check_learning(recipe: Recipe, task: Task, dls: KitLoaders) -> list[Line]:
    """One batch, as the training part gives it: learnt, every parameter moved, and each sample called by its label."""
    n = min(LEARNT, recipe.data.bs if isinstance(recipe.data.bs, int) else LEARNT, len(dls.split.train))
    places = np.linspace(0, len(dls.split.train) - 1, n).astype(int).tolist()
    options = {"bs": n, "n": n, "shuffle": False, "drop_last": False, "num_workers": 0}
    batch = tuple(next(iter(dls.train.new(get_idxs=lambda: places, **options))))
    trial = trying(recipe, ema=0, accumulate=1, guard="stop", diagnose=False, limit_batches=None, precision="fp32")
    gradients, until = Gradients(), UntilLearnt(task.check_s)
    cbs = [acting(52, before_step=gradients.look), acting(91, after_batch=until.look)]
    learn = task.build_learner(trial, dls, cbs)
    for cb in [cb for cb in learn.cbs if isinstance(cb, Mixer)]:
        learn.remove_cb(cb)
    learn.dls = copy.copy(dls)
    learn.dls.loaders = [Repeated(batch, MOST), Repeated(batch, 1)]
    learn.opt_func, learn.opt = make_opt_func("adam"), None
    try:
        with silently(learn):
            learn.fit(1, RATE)
    except TrainingError as error:
        return [Line("one batch", False, str(error).split(". ")[0], "look at the loss and at the inputs")]
    lines = _moved(learn, gradients)
    losses = until.losses
    text = f"{n} samples, {len(losses)} steps of Adam: the loss fell from {losses[0]:.3g} to {losses[-1]:.3g}"
    shrunk = losses[-1] < SHRUNK * losses[0]
    rows = [int(dls.split.train[place]) for place in places]
    right, of, wrong = (0, 0, []) if task.learnt is None else task.learnt(learn, batch, rows)
    text += f", and {right} of {of} are told as they are labelled" if of else ""
    if len(losses) < ENOUGH and not shrunk:
        remedy = "a smaller model or size shows it sooner"
        return [*lines, Line("one batch", None, f"{text}; the time was too short to say more", remedy)]
    learnt = shrunk and right >= task.learnt_share * of
    if learnt:
        return [*lines, Line("one batch", True, text)]
    wrong = f" ({some(wrong, 2)})" if wrong else ""
    remedy = "look at the loss, at what is frozen, and whether labels and outputs have the same order of classes"
    return [*lines, Line("one batch", False, f"{text}{wrong}", remedy)]


def _moved(learn: Any, gradients: Gradients) -> list[Line]:
    trained = [name for name, p in learn.model.named_parameters() if p.requires_grad]
    silent = [name for name in trained if name not in gradients.moved]
    if gradients.broken:
        text = f"{some(sorted(gradients.broken), 2)} had a gradient that is not finite"
        return [Line("gradients", False, text, "look at the loss and at the inputs")]
    if silent:
        text = f"{some(silent, 2)} had no gradient"
        return [Line("gradients", False, text, "look for detach() and no_grad, and for parts that are not used")]
    frozen = sorted(learn.head_names & {name for name, p in learn.model.named_parameters() if not p.requires_grad})
    if frozen:
        text = f"{some(frozen, 2)} of the last layer is set not to train"
        return [Line("gradients", False, text, "learn.unfreeze(), or requires_grad_(True)")]
    return [Line("gradients", True, f"all {len(trained)} parameters had one that is finite and not 0")]


def check_resume(recipe: Recipe, task: Task, dls: KitLoaders, found: Checked) -> list[Line]:
    """A few steps in one go and in two, through real run folders in a temporary place, to the same weights."""
    few = FEWEST if found.forecast.get("sample", 0) > LARGE else FEW
    trial, dls = trying(recipe, limit_batches=few, diagnose=False, accumulate=1), smaller(dls, few)

    def ask_to_stop(cb: Callback) -> None:
        if cb.learn.training and cb.learn.iter + 1 == few // 2:
            cb.learn.run_log.stop.asked = 2  # as Ctrl-C does

    with tempfile.TemporaryDirectory() as place:

        def train(name: str, *cbs: Any, resume: bool = False) -> dict[str, torch.Tensor]:
            keeper = RunKeeper(place, name, monitor="valid_loss", checkpoint_every=1, resume=resume)
            learn = task.build_learner(trial, dls, [keeper, *cbs])
            with silently(learn):
                fit(trial, learn)
            return {key: value.cpu() for key, value in learn.model.state_dict().items()}

        whole = train("whole")
        try:
            train("cut", acting(after_batch=ask_to_stop))
        except KeyboardInterrupt:
            again = train("cut", resume=True)
        else:
            return [Line("resume", None, f"an epoch has fewer than {few // 2} steps: not tried")]
    other = [name for name in whole if not torch.equal(whole[name], again[name])]
    if not other:
        text = f"{few} steps in one go and in two give the same weights, bit for bit"
        return [Line("resume", True, text)]
    apart = max(float((whole[name].double() - again[name].double()).abs().max()) for name in other)
    text = f"{some(other, 2)} differ by up to {apart:.2g} after {few // 2} + {few // 2} steps"
    remedy = "look for state that a callback or module keeps outside state_dict, and for draws of its own"
    return [Line("resume", False if dls.device.type == "cpu" else None, text, remedy)]
