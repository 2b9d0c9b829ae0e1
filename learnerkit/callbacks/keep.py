"""Which states of a run are kept, and how they are written: weights as safetensors, checkpoints complete or absent."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastai.learner import Learner

from learnerkit.callbacks.forecast import peak_bytes
from learnerkit.core.checkpoint import commit
from learnerkit.core.files import atomic_write, to_json, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import state_bytes, weights_bytes


@dataclass(frozen=True)
class Retention:
    """Which checkpoints of a run are made and stay.

    every: epochs between them, 0 for the last epoch alone; last: how many of the newest stay besides the best.
    permanent: those of every n-th epoch stay too, 0 for none.
    """

    every: int = 10
    last: int = 2
    permanent: int = 0

    def is_due(self, epoch: int) -> bool:
        """Whether a checkpoint is made after an epoch."""
        return bool(self.every) and epoch % self.every == 0

    def is_permanent(self, epoch: int) -> bool:
        """Whether the checkpoint of an epoch stays whatever comes."""
        return bool(self.permanent) and epoch % self.permanent == 0

    def kept(self, epochs: int) -> int:
        """How many checkpoints a run of so many epochs keeps at most, the best one among them."""
        due = [epoch for epoch in range(1, epochs + 1) if self.is_due(epoch) or epoch == epochs]
        return min(self.last + 1 + sum(self.is_permanent(epoch) for epoch in due), len(due))

    def forecast(self, learn: Learner) -> int:
        """Peak bytes of the states that a run of `learn.n_epoch` epochs keeps."""
        return peak_bytes(learn, self.kept(learn.n_epoch))


def save_weights(learn: Learner, folder: RunFolder, name: str, **detail: Any) -> None:
    """Write the weights that a validation uses to NAME.safetensors and, where there is any, a detail to NAME.json."""
    atomic_write(folder.file(f"{name}.safetensors"), weights_bytes(learn.eval_model().state_dict()))
    if detail:
        write_json(folder.file(f"{name}.json"), detail)


def save_state(learn: Learner, folder: RunFolder, retention: Retention, own: dict[str, Any], whole_epoch: bool) -> Path:
    """Commit a complete, resumable checkpoint; returns its folder.

    own: what the run itself has to remember, `epochs_before` and `steps_before` among it.
    whole_epoch: whether an epoch has just ended, or a batch.
    """
    state = {**learn.kit_state(whole_epoch), "run": own}
    weights, position = state.pop("model"), state["position"]
    epoch, step = own["epochs_before"] + position["epoch"], own["steps_before"] + position["step"]
    about = {"epoch": epoch, "step": step, "batch": position["batch"], "n_epoch": state["n_epoch"]}
    files = {
        "model.safetensors": weights_bytes(weights),
        "state.pt": state_bytes(state),
        "state.json": to_json(about).encode(),
    }
    permanent = whole_epoch and retention.is_permanent(epoch)
    return commit(folder.checkpoints, epoch, step, files, retention.last, permanent).path
