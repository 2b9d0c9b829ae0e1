"""One pass over batches: training or validation, seeded by position, alone or with other ranks."""

import contextlib
import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch

from learnerkit.callbacks.able import able
from learnerkit.core import ranks
from learnerkit.core.seed import seed_of, seed_position
from learnerkit.learner.events import EventLearner
from learnerkit.learner.position import Fit, Position
from learnerkit.learner.together import Together


class PassLearner(EventLearner):
    """A fastai Learner whose passes begin at any batch and draw by their position.

    seed: of order, augmentation and dropout; None leaves the process's generators alone, as fastai does.
    limit_batches: train and validate on so many batches an epoch, for quick trials.
    """

    epoch = 0

    def __init__(self, *args: Any, seed: int | None = None, limit_batches: int | None = None, **kwargs: Any) -> None:
        self.seed, self.limit_batches = seed, limit_batches
        self.start = Position()  # where the fit under way, or the next one, begins
        self.current: Fit | None = None
        self.together: Together | None = None  # with other ranks, in a fit of several
        super().__init__(*args, **kwargs)

    @property
    def is_training_run(self) -> bool:
        """Whether a fit is under way that trains for keeps: not a single pass, not `lr_find`."""
        return self.current is not None and not hasattr(self, "lr_finder")

    @property
    def fit_error(self) -> BaseException | None:
        """What ended the fit under way, where something did."""
        return self.current.error if self.current is not None else None

    def batches_of(self, dl: Any) -> int:
        """Batches of a loader that a pass takes: all or, inside fit, `limit_batches`."""
        limited = self.limit_batches is not None and self.is_training_run
        return min(len(dl), self.limit_batches) if limited else len(dl)

    def on_device(self, b: Any) -> Any:
        """A batch on the model's device."""
        device = self.batch_device
        if all(isinstance(part, torch.Tensor) and part.device == device for part in b):
            return b
        return super().on_device(b)

    def run_batch(self) -> None:
        """The batch in `xb` and `yb`: prediction, loss and, in training, the step."""
        self.pred = self.model(*self.xb)
        self("after_pred")
        if self.together is not None and not self.training:
            self.together.join(self)
        if len(self.yb):
            self.loss_grad = self.loss_func(self.pred, *self.yb)
            self.loss = self.loss_grad.detach().clone()
            if self.together is not None and self.training:
                self.together.weigh(self)
        self("after_loss")
        if self.training and len(self.yb):
            self.run_step()

    def run_backward(self) -> None:
        """The gradients of `loss_grad`, added to those that are there: of the batches of all ranks."""
        super().run_backward()
        if self.together is not None:
            self.together.exchange()

    def all_batches(self) -> None:
        """Train or evaluate on the batches of `self.dl`, in training from the batch that a restored state names."""
        self.n_iter = self.batches_of(self.dl)
        self.batch_device = next(self.model.parameters()).device
        with contextlib.ExitStack() as stack:
            if self.together is not None:
                stack.enter_context(self.together.shared(self.dl))
            self._train_batches() if self.training else self._validate_batches()

    def _validate_batches(self) -> None:
        for i, batch in enumerate(islice(self.dl, self.n_iter)):
            self.one_batch(i, batch)

    def _train_batches(self) -> None:
        first = self.start.batch if self.epoch == self.start.epoch else 0
        if first:
            self.pct_train, self.train_iter = self.start.done, self.start.step
        at_boundary = able(self.cbs, "at_boundary") if self.is_training_run else []
        for i, batch in self.positioned(first):
            self.one_batch(i, batch)
            for _, act in at_boundary:
                act(whole_epoch=False)

    def positioned(self, first: int) -> Iterator[tuple[int, Any]]:
        """Batches from number `first` on, each cut with the generators seeded for its position."""
        rank, epoch = ranks.rank(), self.start.epochs_before + self.epoch
        if self.seed is not None:
            seed_position(self.seed, epoch)
            if hasattr(self.dl, "rng"):
                self.dl.rng = random.Random(seed_of(self.seed, epoch))
        elif self.together is not None:
            self.dl.rng = random.Random(ranks.first(random.getrandbits(63)))
        batches = iter(self.dl)
        for i in range(self.n_iter):
            if self.seed is not None:
                seed_position(self.seed, epoch, i, rank)
            batch = next(batches)
            if i >= first:
                yield i, batch
        if self.n_iter == len(self.dl):
            next(batches, None)  # lets the loader finish its own loop
