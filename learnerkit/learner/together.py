"""A fit by several processes as one: each trains on its share of every batch, with losses, gradients, figures of all.

The weights are those of one process with the same batches: a rank's loss counts by its share, and the gradients are
averaged. A validation's predictions are joined batch by batch, so that losses, metrics and whatever callbacks decide by
them are of all samples, each once, and the same on every rank.
"""

import contextlib
import logging
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from fastai.callback.schedule import LRFinder
from fastai.learner import Learner
from fastcore.foundation import L
from torch import Tensor, nn

from learnerkit.callbacks.accumulate import share_of
from learnerkit.core import ranks
from learnerkit.core.errors import RecipeError, TrainingError
from learnerkit.core.launch import ended_by
from learnerkit.core.share import in_order
from learnerkit.data.share import ShareDL

log = logging.getLogger(__name__)
NORMS = nn.modules.batchnorm._BatchNorm


def check_shares(learn: Learner, cbs: Any = None) -> None:
    """RecipeError where the batches of a fit cannot be shared among the ranks.

    cbs: of the fit.
    """
    if any(isinstance(cb, LRFinder) for cb in L(cbs)):
        raise RecipeError("learn.lr_find: looks for a rate in one process, and here are several")
    for dl in learn.dls.loaders[:2]:
        if not isinstance(dl, ShareDL):
            raise RecipeError(
                f"{type(dl).__name__}: its batches cannot be shared among {ranks.world()} ranks; those of "
                "image_learner and fusion_learner can. Train it in one process"
            )
    if learn.dls.train.bs < ranks.world():
        raise RecipeError(
            f"bs {learn.dls.train.bs} on {ranks.world()} ranks: bs counts the samples of all ranks, and each needs at "
            f"least one; bs={ranks.world()} (--bs) or more"
        )


def loss_of_a_rank(learn: Learner, error: BaseException) -> TrainingError | None:
    """What to say where a fit ends by the loss of a rank; None for other errors, which the others are told."""
    return ended_by(error, getattr(learn, "run_place", "RUN"))


class Together:
    """What a fit of several ranks does besides; made when it begins, on every rank."""

    def __init__(self, learn: Learner) -> None:
        self.learn, self.world = learn, ranks.world()
        self.parameters = [p for p in learn.model.parameters() if p.requires_grad]
        self.figures: dict[str, Any] = {}  # of the last epoch, as the first rank measured them
        self.size = 0  # samples of the batch under way, on all ranks
        self.share: Tensor | None = None  # by what the loss of all of them is divided, as `share_of` has it
        ranks.copy_first([*learn.model.parameters(), *learn.model.buffers()])
        self.norms = synchronised(learn.model)
        own = [m for m in learn.model.modules() if isinstance(m, NORMS) and not isinstance(m, nn.SyncBatchNorm)]
        self.buffers = [b for b in learn.model.buffers() if b.is_floating_point()] if own else []
        self._say(bool(own))

    def _say(self, local_norms: bool) -> None:
        bs, world = self.learn.dls.train.bs, self.world
        parts = " + ".join(str(len(range(rank, bs, world))) for rank in range(world))
        words = f"{world} ranks: {parts} of each {bs} samples; augmentation and dropout are drawn by rank"
        if local_norms:
            words += "; BatchNorm is each rank's own, since SyncBatchNorm needs a GPU, and the first rank's is kept"
        if ranks.is_first():
            log.warning("%s", words)

    @contextlib.contextmanager
    def shared(self, dl: Any) -> Iterator[None]:
        """A pass over a loader of which each rank takes its share."""
        dl.share = (ranks.rank(), self.world)
        try:
            yield
        finally:
            dl.share = None

    def weigh(self, learn: Learner) -> None:
        """Bring the loss of a training batch to that of all ranks, and what is differentiated to this rank's part."""
        out, share = learn.dl.is_stand_in(learn.iter), share_of(learn.loss_func, learn.yb[0])
        self.size = learn.dl.size_of(learn.iter)
        own = torch.as_tensor(0 if out else 1 if share is None else share, device=learn.loss.device).double()
        part = torch.zeros_like(own) if out else learn.loss.mean().double() * own
        loss, shares = ranks.total(torch.stack([part, own]))
        whole = torch.ones_like(own) if share is None else shares
        self.share = None if share is None else shares.to(learn.loss.dtype)
        learn.loss = (loss / whole).to(learn.loss.dtype)
        learn.loss_grad = learn.loss_grad.mean() * (own * self.world / whole).to(learn.loss_grad.dtype)

    def counted(self, *numbers: Any) -> Tensor:
        """The sums over the ranks of what each counts in the batch under way."""
        out, device = self.learn.dl.is_stand_in(self.learn.iter), self.parameters[0].device
        own = torch.stack([torch.as_tensor(number, device=device) for number in numbers])
        return ranks.total(torch.zeros_like(own) if out else own)

    def exchange(self) -> None:
        """Average the gradients over the ranks; one that none used stays without, and buffers are the first's."""
        held = [p for p in self.parameters if p.requires_grad]
        used = [torch.full((1,), float(p.grad is not None), device=p.device, dtype=p.dtype) for p in held]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in held]
        ranks.average([*gradients, *used])
        ranks.copy_first(self.buffers)
        for parameter, gradient, some in zip(held, gradients, used, strict=True):
            if parameter.grad is None and some.item():
                parameter.grad = gradient

    def join(self, learn: Learner) -> None:
        """Put the predictions and targets of all ranks, in the order of the batch, in the place of this rank's."""
        own = (learn.pred, learn.yb)
        parts = ranks.gathered(None if learn.dl.is_stand_in(learn.iter) else on_cpu(own))
        learn.pred, learn.yb = joined([part for part in parts if part is not None], own)

    def end(self) -> None:
        """Put back what was swapped in."""
        for parent, name, plain in self.norms:
            setattr(parent, name, plain.train(getattr(parent, name).training))


def synchronised(model: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Put SyncBatchNorm in the place of a model's BatchNorm on a GPU; returns what to put back, with where it was."""
    if next(model.parameters()).device.type != "cuda":
        return []
    norms = [(parent, name, m) for parent in model.modules() for name, m in parent.named_children()]
    norms = [found for found in norms if isinstance(found[2], NORMS) and not isinstance(found[2], nn.SyncBatchNorm)]
    for parent, name, plain in norms:
        setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(plain))
    return norms


def on_cpu(value: Any) -> Any:
    """The tensors of nested lists, tuples and dicts, on the CPU."""
    if isinstance(value, Tensor):
        return value.detach().as_subclass(Tensor).cpu()
    if isinstance(value, dict):
        return {key: on_cpu(part) for key, part in value.items()}
    return tuple(map(on_cpu, value)) if isinstance(value, (list, tuple)) else value


def joined(parts: list[Any], like: Any) -> Any:
    """What the ranks have of a batch as one, in the batch's order, on the device and of the types of `like`."""
    if isinstance(like, Tensor):
        begins = torch.tensor([0, *map(len, parts)]).cumsum(0).tolist()
        order = in_order([list(range(begin, end)) for begin, end in pairwise(begins)])
        return torch.cat(parts)[order].to(like.device).as_subclass(type(like))
    if isinstance(like, dict):
        return {key: joined([part[key] for part in parts], value) for key, value in like.items()}
    if isinstance(like, (list, tuple)):
        return type(like)(
            joined(list(column), value) for column, value in zip(zip(*parts, strict=True), like, strict=True)
        )
    return like
