"""The callback that looks, while it trains, for signs of a bad training: it gathers, `core.signs` judges.

Nothing per batch waits for the device, and nothing that trains is touched: it reads the inputs of a few batches, the
gradients of a few steps, and the activations of a few validation batches. What it gathered is read after each epoch.
"""

import contextlib
import logging
from typing import Any

import torch
from torch import nn

from learnerkit.callbacks.able import able
from learnerkit.callbacks.identity import known_set
from learnerkit.callbacks.kit import KitCallback
from learnerkit.callbacks.train_accuracy import TrainAccuracy
from learnerkit.core import ranks, signs
from learnerkit.core.diagnosis import line_of, shown, told_now
from learnerkit.core.errors import TrainingError
from learnerkit.core.ranges import AtLeastOne, checked

INPUTS = 4  # batches of an epoch whose inputs are looked at
EVERY = 32  # of the first two steps of an epoch and each so many further the gradients are looked at
ACTIVATIONS = 4  # validation batches of an epoch whose activations are looked at
RELUS = (nn.ReLU, nn.ReLU6)  # that are exactly 0 where a channel is dead
log = logging.getLogger(__name__)


def is_sampled(number: int, learn: Any) -> bool:
    """Whether a training batch or step of a learner, by its number in the epoch from 0, is one that is looked at."""
    every = getattr(getattr(learn, "diagnose", None), "every", EVERY)
    return number < 2 or number % every == 0


class Diagnose(KitCallback):
    """Say once which signs of a bad training there are, with figures and the first thing to try.

    every: of how many steps one is looked at, beside the first two of an epoch.
    Callbacks with a method `signs()` add those that they know, one with `chance()` the loss of guessing.
    """

    decides = False  # about no weight
    order = 53

    @checked
    def __init__(self, every: AtLeastOne = EVERY) -> None:
        self.every = every
        self.records: list[dict[str, Any]] = []
        self.hooks = contextlib.ExitStack()
        self._forget()

    def _forget(self) -> None:
        self.norms: list[float] = []  # of the gradient, at the steps looked at
        self.steps = 0  # of them
        self.silent: list[str] | None = None  # parameters without a gradient at any of them
        self.pending: list[tuple[list[str], torch.Tensor]] = []  # names, and norms that are still on the device
        self.inputs: list[torch.Tensor] = []
        self.alive: dict[str, torch.Tensor] = {}
        self.valid_losses: list[float] = []
        self.before: list[str] = []  # signs of the last epoch
        self.stepped = 0  # steps of this epoch
        self.concluded = False

    # gathering

    def before_fit(self) -> None:
        self.run = self.learn.is_training_run
        if not self.run:
            return
        if not self.learn.start.epochs_before:
            self.records = []
        self._forget()
        self.named = [(name, p) for name, p in self.learn.model.named_parameters() if p.requires_grad]

    def before_epoch(self) -> None:
        self.inputs, self.stepped = [], 0

    def before_batch(self) -> None:
        if not self.learn.training:
            self._count_calls()
        elif len(self.inputs) < INPUTS:
            images = [part for part in self.learn.xb if torch.is_tensor(part) and part.ndim > 3]
            flat = [part.detach().float() for part in images if part.is_floating_point()]
            if flat:
                each = [torch.stack([x.mean(), x.std(), x.min(), x.max()]) for x in flat]
                self.inputs.append(torch.stack(each))

    def before_step(self) -> None:
        self.stepped += 1
        if not is_sampled(self.stepped - 1, self.learn):
            return
        held = [(name, p.grad) for name, p in self.named if p.grad is not None]
        if held:
            names, gradients = zip(*held, strict=True)
            norms = torch._foreach_norm([gradient.detach() for gradient in gradients])
            self.pending.append((list(names), torch.stack(norms).float()))
        else:
            self.pending.append(([], torch.zeros(0)))

    def _read(self) -> None:
        """Fetch the norms that are still on the device."""
        for names, norms in self.pending:
            values = norms.tolist()
            moved = {name for name, value in zip(names, values, strict=True) if value != 0}
            silent = [name for name, _ in self.named] if self.silent is None else self.silent
            self.silent = [name for name in silent if name not in moved]
            self.norms.append(sum(value * value for value in values) ** 0.5)
            self.steps += 1
        self.pending = []

    def before_validate(self) -> None:
        model = self.learn.model
        self.alive, self.looked = {}, 0
        if getattr(model, "_compiled_call_impl", None) is not None:
            return  # a hook would have it compiled anew
        for name, module in model.named_modules():
            if isinstance(module, RELUS):
                handle = module.register_forward_hook(lambda _m, _i, out, name=name: self._look(name, out))
                self.hooks.callback(handle.remove)

    def _count_calls(self) -> None:
        self.looked, self.calls = self.looked + 1, {}
        if self.looked > ACTIVATIONS:
            self.hooks.close()

    def _look(self, name: str, out: torch.Tensor) -> None:
        """Which channels of a map [B,C,H,W] are above 0 anywhere; a module that is called twice is two layers."""
        if out.ndim != 4:
            return
        self.calls[name] = number = self.calls.get(name, 0) + 1
        key = name if number == 1 else f"{name} ({number})"
        alive = out.detach().amax(dim=(0, 2, 3)) > 0
        self.alive[key] = self.alive[key] | alive if key in self.alive else alive

    def after_validate(self) -> None:
        self.hooks.close()

    # judging

    def after_epoch(self) -> None:
        learn = self.learn
        if not self.stepped:
            return  # an epoch that was skipped
        found = [sign for sign in self._signs() if sign is not None]
        found += [sign for _, further in able(learn.cbs, "signs") for sign in further()]
        self._tell(found, last=learn.epoch + 1 == learn.n_epoch)

    def _tell(self, found: list[signs.Sign], last: bool) -> None:
        epoch = self.learn.start.epochs_before + self.learn.epoch + 1
        self.records, said = told_now(self.records, found, epoch, self.before, last)
        self.before = [sign.sign for sign in found]
        for record in said if ranks.is_first() else ():
            log.warning("diagnosis: %s", line_of(record))

    def _signs(self) -> list[signs.Sign | None]:
        self._read()
        learn, found = self.learn, []
        losses, guard = learn.recorder.batch_losses, getattr(learn, "guard", None)
        found.append(signs.rate_too_high(losses, self.norms, self._chance(), len(losses) - learn.recorder.first))
        found.append(signs.guard_trips(getattr(guard, "skipped", 0), len(losses)))
        if self.inputs:
            source, _ = known_set(learn.dls) or (None, None)
            means = torch.stack(self.inputs).float().cpu().flatten(0, 1)
            mean, std = means[:, 0].mean().item(), means[:, 1].mean().item()
            lowest, highest = means[:, 2].min().item(), means[:, 3].max().item()
            found.append(signs.normalisation(mean, std, lowest, highest, getattr(source, "stats", None)))
        layers = {name: (int((~alive).sum()), len(alive)) for name, alive in self.alive.items()}
        found.append(signs.dead_units(layers))
        found.append(signs.frozen(self.silent or [], self._outside(), self._frozen_head(), self.steps))
        valid = learn.monitored.get("valid_loss")
        if valid is not None:
            self.valid_losses.append(float(valid))
        if not any(isinstance(cb, TrainAccuracy) and cb.right is not None for cb in learn.cbs):
            found.append(signs.losses_apart(learn.monitored.get("train_loss") or 0.0, self.valid_losses))
        return found

    def _chance(self) -> float | None:
        return next((value for _, chance in able(self.learn.cbs, "chance") if (value := chance()) is not None), None)

    def _outside(self) -> list[str]:
        stepped = {id(p) for group in self.learn.opt.param_lists for p in group}
        return [name for name, p in self.named if id(p) not in stepped]

    def _frozen_head(self) -> list[str]:
        head = self.learn.head_names
        return [name for name, p in self.learn.model.named_parameters() if name in head and not p.requires_grad]

    def diagnosis(self) -> list[dict[str, Any]]:
        """What was told so far, as run.json has it; of a training that the guard has stopped also why."""
        learn = self.learn
        ended = getattr(getattr(learn, "guard", None), "ended_by", "")
        if isinstance(learn.fit_error, TrainingError) and ended not in ("", "input") and not self.concluded:
            self.concluded = True
            with contextlib.suppress(TrainingError):
                self._read()
                learn.recorder.flush()
            sign = signs.rate_too_high(learn.recorder.batch_losses, self.norms, self._chance(), 0, ended=True)
            self._tell([] if sign is None else [sign], last=True)
        return shown(self.records)

    # state

    def state_dict(self) -> dict[str, Any]:
        """What was told, and what was gathered over more than an epoch."""
        self._read()
        names = ("records", "norms", "steps", "silent", "valid_losses", "before")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        vars(self).update(state)

    def restore(self) -> None:
        """Take the hooks off the model, and let go of what was gathered."""
        self.hooks.close()
        if self.run and self.learn.fit_error is not None:
            self.diagnosis()  # where no run is kept it is told all the same
        self.inputs, self.alive, self.pending, self.named = [], {}, [], []
