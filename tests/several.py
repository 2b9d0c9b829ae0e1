"""Several ranks in forked processes, with gloo over a file: a tenth of the time of torchrun."""

import itertools

from torch import distributed as dist

from tests.reliability.toy import Child

NUMBERS = itertools.count()


def joined(rank, world, store, function, args):
    """A function within a group of processes; the group is left afterwards as a process that ends leaves it."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    return function(*args)


def start(root, world, function, *args):
    """The processes of some ranks, each calling the function."""
    store = root / f"store-{next(NUMBERS)}"
    return [Child(joined, rank, world, store, function, args) for rank in range(world)]


def on_ranks(root, world, function, *args):
    """What a function returns on each rank; AssertionError with the traceback of the first that fails."""
    ends = [child.wait() for child in start(root, world, function, *args)]
    assert all(code == 0 for code, _ in ends), [str(value)[-1500:] for _, value in ends]
    return [value for _, value in ends]
