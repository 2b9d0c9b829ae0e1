"""The guard: numbers that are not finite reach neither weights, optimizer, nor batch-norm statistics."""

import logging
from typing import Any, Literal

import torch
from fastai.callback.core import Callback, CancelBatchException
from fastai.callback.fp16 import MixedPrecision
from fastai.optimizer import OptimWrapper

from learnerkit.callbacks.able import able
from learnerkit.callbacks.kit import KitCallback
from learnerkit.core import ranks
from learnerkit.core.errors import TrainingError
from learnerkit.core.ranges import Count, Flag, checked
from learnerkit.core.share import own_part
from learnerkit.core.tensors import cloned
from learnerkit.ops.finite import all_finite, floats_of
from learnerkit.ops.kept import Kept

log = logging.getLogger(__name__)
READ_EVERY = 64  # batches between two looks at the flags that an accelerator keeps


class Guard(KitCallback):
    """Check inputs before the forward pass, the loss, and the gradients before the step.

    At a trip the model, its batch-norm statistics and the optimizer are those of the last good step, bit for bit. On an
    accelerator with a fused optimizer the flags stay on the device: the optimizer skips by itself (torch's `found_inf`)
    and the flags are read every 64 batches; elsewhere, and where an average of the weights is kept, at once.

    policy: 'stop' ends the training with TrainingError, 'skip' goes on with the next batch, 'rollback' puts the state
        of the epoch's beginning back and goes on with the next batch.
    rollbacks: how many of those one fit may have.
    late: whether flags are read late; None decides by the device.

    Examples:
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=Guard("stop"))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit(1, 1e30)
        Traceback (most recent call last):
        learnerkit.core.errors.TrainingError: ...
    """

    order = -9

    @checked
    def __init__(
        self, policy: Literal["stop", "skip", "rollback"] = "stop", rollbacks: Count = 3, late: Flag | None = None
    ) -> None:
        self.policy, self.rollbacks, self.late = policy, rollbacks, late
        self.skipped = self.rolled = 0
        self.kept: dict[str, Any] | None = None
        self.flags: list[tuple[int, str, torch.Tensor]] = []
        self.tripped = False  # in this batch
        self.ended_by = ""  # what was not finite when it stopped a fit

    # fit

    def before_fit(self) -> None:
        learn = self.learn
        self.run = learn.is_training_run
        if not self.run:
            return  # what was counted in a fit stays
        self.skipped, self.rolled, self.kept, self.flags, self.sticky = 0, 0, None, [], None
        self.ended_by, self.tripped, self.stepped, self.has_scaler = "", False, False, False
        fused = isinstance(learn.opt, OptimWrapper) and bool(learn.opt.opt.defaults.get("fused"))
        accelerator = next(learn.model.parameters()).device.type != "cpu"
        self.is_late = fused and (accelerator if self.late is None else self.late) and not self._averages()
        self.norm_state = Kept(b for b in learn.model.buffers() if b.is_floating_point() or b.dtype == torch.int64)

    def before_train(self) -> None:
        scaler = getattr(self.learn, "scaler", None)
        self.has_scaler = scaler is not None and scaler.is_enabled()  # its own step skips what overflows
        if self.policy == "rollback" and self.kept is None:
            self._keep()
        self.skipped_before = self.skipped

    def before_batch(self) -> None:
        self.waits = self.is_late and (not self.learn.training or (self.stepped and not self.has_scaler))
        self.bad, self.tripped = None, False
        if self.learn.training:
            self.norm_state.take()
        self._look("input", self.learn.xb)

    def after_loss(self) -> None:
        if len(self.learn.yb):
            self._look("loss", [self.learn.loss])

    def before_step(self) -> None:
        if not self.has_scaler:
            parameters = (p for group in self.learn.opt.param_lists for p in group)
            self._look("gradient", [p.grad for p in parameters if p.grad is not None])
        if self.waits and self.bad is not None:
            bad = self.bad
            if self.policy != "skip":  # nothing moves any more until the flag is read
                bad = self.sticky = bad if self.sticky is None else torch.maximum(bad, self.sticky)
            self.norm_state.put_back(bad.bool())
            self.learn.opt.opt.found_inf = bad
            self.flags.append((self.learn.iter, "input, loss or gradient", bad))

    def after_step(self) -> None:
        self.stepped = True  # from now on the optimizer has its state, and may skip by itself

    def after_batch(self) -> None:
        if len(self.flags) >= READ_EVERY:
            self.read()

    def after_train(self) -> None:
        self.read()
        self.kept = None
        if self.skipped - self.skipped_before >= self.learn.n_iter:
            raise self._error("input, loss or gradient of every batch", self.learn.n_iter - 1)

    def after_validate(self) -> None:
        self.read()

    # looking

    def _look(self, where: str, values: Any) -> None:
        finite = all_finite(values)
        if finite is None:
            return
        if where == "input" and self.learn.together is not None:  # loss and gradients are of all ranks already
            finite = ranks.least(finite).bool()
        if self.waits:
            bad = (~finite).float()
            if not self.learn.training:
                self.flags.append((self.learn.iter, where, bad))
                return
            self.bad = bad if self.bad is None else torch.maximum(self.bad, bad)
        elif not finite:
            self._trip(where)

    def _trip(self, where: str) -> None:
        """A value that was read at once is not finite."""
        learn = self.learn
        if not learn.training:
            self._decide(where, learn.iter)
            return
        self.norm_state.put_back()
        self.tripped = True
        learn.loss = torch.full((), float("nan"), device=learn.batch_device)
        for cb in learn.cbs:
            if where == "loss" and isinstance(cb, MixedPrecision) and not hasattr(type(cb), "after_cancel_batch"):
                cb.autocast.__exit__(None, None, None)  # fastai's own does not leave it when a batch is cancelled
        if where == "gradient":
            self._drop_gradients()
        self._decide(where, learn.iter)
        raise CancelBatchException

    def read(self) -> None:
        """Look at the flags that were kept on the device, and act on them."""
        if not self.flags:
            return
        iterations, places, values = zip(*self.flags, strict=True)
        self.flags, self.sticky = [], None
        self._let_steps()
        for iteration, where, bad in zip(iterations, places, torch.stack(values).tolist(), strict=True):
            if bad:
                self._decide(where, iteration)
                if self.policy != "skip":  # the batches after it were passed over with it
                    break

    def _decide(self, where: str, iteration: int) -> None:
        if not self.learn.training and self.policy != "stop" and where != "input":
            return
        spent = self.policy == "rollback" and self.rolled >= self.rollbacks
        if not self.learn.training or self.policy == "stop" or spent:
            raise self._error(where, iteration)
        self.skipped += 1
        passed = "guard: batch %d of epoch %d passed over, its %s is not finite"
        log.warning(passed, iteration + 1, self._epoch(), where)
        if self.policy == "rollback":
            self.rolled += 1
            self._put_back()

    def _error(self, where: str, iteration: int) -> TrainingError:
        learn, self.ended_by = self.learn, where
        part = "training" if learn.training else "validation"
        tried = f" after {self.rolled} rollback(s)" if self.rolled else ""
        return TrainingError(
            f"the {where} is not finite in {part} batch {iteration + 1} of epoch {self._epoch()}{tried}. "
            f"{self._files(iteration)}"
            "Usual causes: bad values in the data (learnerkit doctor DATA), a learning rate that is too high (try a "
            "tenth of --lr, or learn.lr_find()), fp16 without scaling. The state is that of the last good step; "
            "Guard('skip') (--guard skip) passes over such batches, Guard('rollback') goes back to the epoch's start."
        )

    def _epoch(self) -> int:
        return self.learn.start.epochs_before + self.learn.epoch + 1

    def _files(self, iteration: int) -> str:
        learn = self.learn
        name_batch = getattr(learn.dls, "batch_ids", None)
        if name_batch is None:
            return ""
        names = own_part(name_batch(learn.dl, iteration), getattr(learn.dl, "share", None))
        images = [part for part in floats_of(learn.xb) if part.ndim and len(part) == len(names)]
        wrong = [i for i in range(len(names)) if any(not torch.isfinite(part[i]).all() for part in images)]
        bad = [name for part in ranks.gathered([names[i] for i in wrong[:10]]) for name in part]
        if bad and iteration == learn.iter:
            return f"The bad input(s): {', '.join(bad[:10])}. "
        return f"The batch: {', '.join(names[:10])}{' ...' if len(names) > 10 else ''}. "

    def _let_steps(self) -> None:
        if isinstance(self.learn.opt, OptimWrapper) and hasattr(self.learn.opt.opt, "found_inf"):
            del self.learn.opt.opt.found_inf

    def _drop_gradients(self) -> None:
        self.learn.opt.zero_grad()
        self.learn("after_cancel_step")  # a group of accumulated batches ends here

    # rolling back

    def _averages(self) -> list[Callback]:
        return [cb for cb, _ in able(self.learn.cbs, "eval_model")]

    def _keep(self) -> None:
        state = self.learn.kit_state(whole_epoch=True)
        averaged = {cb.name: cb.state_dict() for cb in self._averages()}
        self.kept = cloned({"model": state["model"], "opt": state["opt"], "averaged": averaged})

    def _put_back(self) -> None:
        learn, kept = self.learn, cloned(self.kept)
        learn.model.load_state_dict(kept["model"])
        opt = learn.opt.opt if isinstance(learn.opt, OptimWrapper) else learn.opt
        hypers = [dict(group) for group in learn.opt.hypers]
        opt.load_state_dict(kept["opt"])
        for name in hypers[-1]:  # the schedule's position stays
            learn.opt.set_hyper(name, [group[name] for group in hypers])
        for cb in self._averages():
            cb.load_state_dict(kept["averaged"][cb.name])
        self._drop_gradients()
        self.stepped = False

    def state_dict(self) -> dict[str, Any]:
        """Counts, and the state that a rollback would put back."""
        self.read()
        return {"skipped": self.skipped, "rolled": self.rolled, "kept": self.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.skipped, self.rolled, self.kept = state["skipped"], state["rolled"], state["kept"]

    def restore(self) -> None:
        """Let go of the optimizer, and of what an exception left."""
        self._let_steps()
        if self.learn.fit_error is not None:
            self.kept, self.flags, self.sticky = None, [], None
