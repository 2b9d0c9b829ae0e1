"""Passes in which each class is drawn equally often, whatever the set holds of it."""

import random

import numpy as np
import torch

from learnerkit.data.share import ShareDL


def balanced_order(codes: np.ndarray, n: int, rng: random.Random) -> list[int]:
    """`n` positions drawn with replacement: each class with one chance, and each sample of a class with one.

    codes: class number of each position, int64 [N]; rng: what it is drawn from.
    """
    generator = np.random.default_rng(rng.getrandbits(64))
    _, counts = np.unique(codes, return_counts=True)
    by_class, begins = np.argsort(codes, kind="stable"), np.cumsum(counts) - counts
    chosen = generator.integers(len(counts), size=n)
    return by_class[begins[chosen] + generator.integers(counts[chosen])].tolist()


class DrawnDL(ShareDL):
    """A ShareDL whose shuffled passes are drawn by class where its dataset has been given `classes_to_draw`.

    What is drawn is a function of the loader's `rng`, which a Learner of ours seeds by seed and epoch. So are the seeds
    of its workers: torch would take them from the generator that the augmentation of the first batch draws from.
    """

    def before_iter(self) -> None:
        """What is done before a pass."""
        super().before_iter()
        ahead = random.Random()
        ahead.setstate(self.rng.getstate())
        self.fake_l.generator = torch.Generator().manual_seed(ahead.getrandbits(63))

    def shuffle_fn(self, idxs: list[int]) -> list[int]:
        """The order of a pass."""
        codes = vars(self.dataset).get("classes_to_draw")
        return super().shuffle_fn(idxs) if codes is None else balanced_order(codes, len(idxs), self.rng)


def draw_balanced(dl: DrawnDL, codes: np.ndarray) -> None:
    """Let a loader, and those that are made of it for the same dataset, draw each class equally often.

    codes: class number of each of its samples, int64 [N].
    """
    vars(dl.dataset)["classes_to_draw"] = np.asarray(codes)


def is_balanced(dl: DrawnDL) -> bool:
    """Whether a loader draws so."""
    return "classes_to_draw" in vars(getattr(dl, "dataset", dl))
