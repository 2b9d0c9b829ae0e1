"""The callback that looks at one training step and ends the fit there."""

from collections.abc import Callable
from typing import Any

from fastai.callback.core import CancelFitException
from torch import cuda, random

from learnerkit.callbacks.kit import KitCallback
from learnerkit.core.seed import kept_random_state


class Witness(KitCallback):
    """Let a fit go on from a state to a step, and look at it once every callback has had its batch.

    step: of the fit, from 1; state: of a checkpoint before it, None for the beginning.
    look: is called with the learner after the step's loss and before its gradients, in the random state of before its
        forward pass; what it returns is kept in `seen`.
    """

    decides = False  # about no weight
    order = 95  # once mixing, casting and the loss are done

    def __init__(self, step: int, look: Callable[[Any], Any], state: dict[str, Any] | None = None) -> None:
        self.step, self.look, self.state = step, look, state
        self.seen: Any = None
        self.random: Any = None

    def before_fit(self) -> None:
        self.run = self.learn.is_training_run
        if self.run and self.state is not None:
            self.learn.restore_state(self.state, allow=("epochs",))

    def _is_here(self) -> bool:
        return self.learn.training and self.learn.train_iter == self.step - 1

    def before_batch(self) -> None:
        if self._is_here():
            self.random = random.get_rng_state(), _of_gpu()

    def after_loss(self) -> None:
        if not self._is_here():
            return
        with kept_random_state():
            on_cpu, on_gpu = self.random
            random.set_rng_state(on_cpu)
            if on_gpu is not None:
                cuda.set_rng_state(on_gpu)
            self.seen = self.look(self.learn)
        raise CancelFitException


def _of_gpu() -> Any:
    """The random state of the current GPU, None without one."""
    return cuda.get_rng_state() if cuda.is_available() else None
