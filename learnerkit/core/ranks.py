"""Which of several processes that train together this one is, and what they tell each other; alone, all is nothing.

The group is torch.distributed's, whoever began it: `core.launch` under torchrun, or a script by itself.
"""

import contextlib
import os
import time
import traceback
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from learnerkit.core.started import PLACE

WAIT_S = 5.0  # for the others to say that they are still there, once one of them is not
GONE = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo/", "NCCL")


def _joined() -> bool:
    return not PLACE.alone and dist.is_available() and dist.is_initialized()


def world() -> int:
    """How many processes train together; 1 for a process by itself."""
    return dist.get_world_size() if _joined() else 1


def rank() -> int:
    """The number of this process among them, from 0; it stays when the group is left."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else PLACE.rank


def is_first() -> bool:
    """Whether this is the process that writes and decides."""
    return rank() == 0


def backend() -> str | None:
    """How the processes talk: 'gloo', 'nccl'; None for one by itself."""
    return dist.get_backend() if _joined() else None


def on_this_machine() -> int:
    """How many of them are on this machine."""
    joined = dist.is_available() and dist.is_initialized()
    return int(os.environ.get("LOCAL_WORLD_SIZE", dist.get_world_size())) if joined else 1


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Within the block this process asks nothing of the others, and trains as if there were none."""
    before, PLACE.alone = PLACE.alone, True
    try:
        yield
    finally:
        PLACE.alone = before


def first(value: Any) -> Any:
    """What the first rank has here, on every rank."""
    if world() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def gathered(value: Any) -> list[Any]:
    """What each rank has here, by rank."""
    values = [value] * world()
    if world() > 1:
        dist.all_gather_object(values, value)
    return values


def total(values: Tensor) -> Tensor:
    """The sum over the ranks."""
    if world() == 1:
        return values
    values = values.detach().clone()
    dist.all_reduce(values)
    return values


def least(value: Tensor) -> Tensor:
    """The least over the ranks, such as of a flag that holds for all where it is 1 everywhere."""
    if world() == 1:
        return value
    value = value.detach().to(torch.float32).clone()
    dist.all_reduce(value, dist.ReduceOp.MIN)
    return value


def asked(number: int | None) -> int | None:
    """The greatest number that any rank has, such as of a signal; None where none has one."""
    if world() == 1:
        return number
    held = torch.tensor(number or 0)
    dist.all_reduce(held, dist.ReduceOp.MAX)
    return int(held) or None


def average(tensors: list[Tensor], block: int = 1 << 23) -> None:
    """Put the mean over the ranks in the place of each tensor.

    tensors: the same shapes on every rank; they travel in blocks of about `block` numbers, the same ones each time, so
        that the sums are made in the same order after a resume.
    """
    _in_blocks(tensors, block, lambda flat: dist.all_reduce(flat, async_op=True), 1 / world())


def copy_first(tensors: list[Tensor], block: int = 1 << 23) -> None:
    """Put what the first rank has in the place of each tensor."""
    _in_blocks(tensors, block, lambda flat: dist.broadcast(flat, 0, async_op=True), 1)


def _in_blocks(tensors: list[Tensor], block: int, send: Any, factor: float) -> None:
    sent = []
    for group in _groups(tensors, block):
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in group])
        sent.append((group, flat, send(flat)))
    for group, flat, under_way in sent:
        under_way.wait()
        flat = flat * factor if factor != 1 else flat
        for tensor, part in zip(group, flat.split([tensor.numel() for tensor in group]), strict=True):
            tensor.detach().copy_(part.view(tensor.shape))


def _groups(tensors: list[Tensor], block: int) -> Iterator[list[Tensor]]:
    group: list[Tensor] = []
    for tensor in tensors:
        if group and (tensor.dtype != group[0].dtype or sum(t.numel() for t in group) + tensor.numel() > block):
            yield group
            group = []
        group.append(tensor)
    if group:
        yield group


# the end


def is_loss_of_a_rank(error: BaseException) -> bool:
    """Whether an error is what torch says when another process is no longer there."""
    kinds = isinstance(error, RuntimeError) and (
        isinstance(error, dist.DistError) or any(w in str(error) for w in GONE)
    )
    return world() > 1 and kinds


def say_end(cause: str) -> None:
    """Leave for the others why this rank ends, where they can still be reached."""
    with contextlib.suppress(Exception):
        _store().set(f"learnerkit/end/{rank()}", cause)


def lost(error: BaseException) -> dict[int, str]:
    """The ranks that are no longer there, once one is missed, and what each said of its end: '' for nothing.

    This one leaves the group, so that all notice, and asks the others for a moment; those that are killed say nothing.

    error: by which it is missed; what its frames hold of the group is let go of, or the connections stayed open.
    """
    chain: BaseException | None = error
    while chain is not None:
        traceback.clear_frames(chain.__traceback__)
        chain = chain.__context__
    own, store = rank(), _store()
    others = [number for number in range(world()) if number != own]
    say_end("")
    leave(abort=True)
    ends: dict[int, str] = {}
    until = time.monotonic() + WAIT_S
    try:
        while len(ends) < len(others) and time.monotonic() < until:
            for number in others:
                if number not in ends and store.check([f"learnerkit/end/{number}"]):
                    ends[number] = store.get(f"learnerkit/end/{number}").decode()
            time.sleep(0.05)
    except Exception:  # the first rank kept the store, and is gone with it
        ends = {number: "" for number in others if number}
    left = [number for number in others if ends.get(number) == ""]
    PLACE.speaker = min([own, *left])
    return {number: ends.get(number, "") for number in others if number not in left}


def _store() -> Any:
    return dist.distributed_c10d._get_default_store()


def leave(abort: bool = False) -> None:
    """Leave the group; this process goes on by itself, and still knows which rank it was.

    abort: where work of the group is under way that will never end, as a GPU may have.
    """
    if dist.is_available() and dist.is_initialized():
        PLACE.rank = dist.get_rank()
        if abort and "nccl" in str(dist.get_backend_config()):
            with contextlib.suppress(Exception):
                dist.distributed_c10d._abort_process_group()
        with contextlib.suppress(Exception):
            dist.destroy_process_group()
