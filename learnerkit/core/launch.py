"""Beginning a group of processes where torchrun or `accelerate launch` started this one among several."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator

import torch
from torch import distributed as dist

from learnerkit.core import ranks
from learnerkit.core.errors import LearnerkitError, RecipeError, TrainingError
from learnerkit.core.optional import optional
from learnerkit.core.started import PLACE, processes

NEEDED = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


def begin() -> None:
    """Join the other processes, by accelerate: gloo on a CPU, NCCL where each has a GPU; nothing for one by itself.

    What tells fastai of the others is taken out of the environment: it would gather every figure once more.
    """
    if processes() == 1:
        return
    if not dist.is_initialized():
        _join()
    for name in ("WORLD_SIZE", "RANK"):
        os.environ.pop(name, None)
    if not ranks.is_first():
        logging.getLogger("learnerkit").setLevel(logging.ERROR)


def _join() -> None:
    if lacks := [name for name in NEEDED if name not in os.environ]:
        raise RecipeError(
            f"WORLD_SIZE={processes()} is set and {', '.join(lacks)} is not, so that the other processes cannot be "
            "found: start with `torchrun --nproc-per-node N -m learnerkit train ...`, or unset WORLD_SIZE"
        )
    PLACE.rank = int(os.environ["RANK"])
    accelerate = optional("accelerate", "ddp", "training on several devices or processes")
    if os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    here, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", processes())), torch.cuda.device_count()
    if 0 < gpus < here:
        raise RecipeError(
            f"{here} processes and {gpus} GPU(s): each needs its own. Start {gpus} (--nproc-per-node {gpus}), or train "
            "on the CPU with CUDA_VISIBLE_DEVICES= (accelerate launch --cpu)"
        )
    with warnings.catch_warnings(action="ignore"):  # of threads, which run.json says
        accelerate.PartialState(cpu=not gpus, **({"backend": "cuda:nccl,cpu:gloo"} if gpus else {}))


@contextlib.contextmanager
def together() -> Iterator[None]:
    """A command's training with the others, if there are any: the first rank is heard, and all learn why one ends."""
    begin()
    several = ranks.world() > 1
    with contextlib.ExitStack() as stack:
        if several:
            stack.callback(ranks.leave)
        try:
            yield
        except BaseException as error:
            if (said := ended_by(error, "RUN")) is not None:
                raise said from error
            raise


def ended_by(error: BaseException, run: str) -> TrainingError | None:
    """What to say where a training of several ranks ends by the loss of one; None for other errors.

    Of those the other ranks are told.

    run: the folder that a resume goes on with.
    """
    if not ranks.is_loss_of_a_rank(error):
        if ranks.world() > 1:
            known = isinstance(error, LearnerkitError)
            ranks.say_end(str(error) if known else f"{type(error).__name__}: {error}")
        return None
    world, gone = ranks.world(), ranks.lost(error)
    names = " and ".join(f"rank {number}" for number in gone) or "another rank"
    verb = "are" if len(gone) > 1 else "is"
    causes = "; ".join(f"rank {number}: {cause}" for number, cause in gone.items() if cause)
    why = f" ({causes})" if causes else ", without a word: killed, or out of memory"
    return TrainingError(
        f"{names} of {world} {verb} gone{why}. The others cannot go on without it. The last checkpoint is whole: "
        f"`learnerkit train --resume {run}`, started with {world} processes again, goes on from it"
    )
