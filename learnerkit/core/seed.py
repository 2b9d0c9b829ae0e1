"""Randomness as a function of the position, not as a stream.

Order is a function of (seed, epoch), augmentation and dropout of (seed, epoch, step, rank). One call before each batch
seeds the generators that torch and the transforms draw from, so a resumed run needs to know its position alone.
"""

import contextlib
import hashlib
import random
from collections.abc import Iterator

import numpy as np
import torch


def seed_of(*parts: int) -> int:
    """A 63-bit seed from integers, the same on every machine and in every process."""
    digest = hashlib.blake2b(b"".join(part.to_bytes(8, "little", signed=True) for part in parts), digest_size=8)
    return int.from_bytes(digest.digest(), "little") >> 1


def seed_position(*parts: int) -> None:
    """Seed the default generators of torch (CPU and current CUDA device), Python and numpy for one position."""
    seed = seed_of(*parts)
    if torch.cuda.is_available():
        device = torch.cuda.current_device()  # first: it makes the generators
        torch.cuda.default_generators[device].manual_seed(seed)
    _seed_cpu(seed)


def _seed_cpu(seed: int) -> None:
    torch.default_generator.manual_seed(seed)  # far cheaper than torch.manual_seed
    random.seed(seed)
    np.random.seed(seed % 2**32)


@contextlib.contextmanager
def kept_random_state(cuda: bool = True) -> Iterator[None]:
    """Give the global generators of torch, numpy and Python back as they were.

    cuda: the current GPU's too, where there is one.
    """
    devices = [torch.cuda.current_device()] if cuda and torch.cuda.is_available() else []
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


@contextlib.contextmanager
def seeded(*parts: int) -> Iterator[None]:
    """Seed the CPU's generators for a position and give them back; touches no GPU, as forked workers need."""
    with kept_random_state(cuda=False):
        _seed_cpu(seed_of(*parts))
        yield
