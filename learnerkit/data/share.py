"""Loaders of which each rank takes its share of every batch, where several processes train together.

The order of all samples is the same on every rank, and so are the batches: as those of one process.
"""

from collections.abc import Iterator
from typing import Any

from fastcore.basics import chunked

from learnerkit._fastai import TfmdDL, order_of_pass
from learnerkit.core.share import own_part


class ShareDL(TfmdDL):
    """A fastai TfmdDL that can be given a share of each batch; `bs`, length and order stay those of whole batches."""

    share: tuple[int, int] | None = None

    def size_of(self, number: int) -> int:
        """Samples of batch `number`, those of all ranks."""
        return min(self.bs, self.n - number * self.bs)

    def is_stand_in(self, number: int) -> bool:
        """Whether this rank has no sample of batch `number`, and one of another stands in."""
        return self.share is not None and self.size_of(number) <= self.share[0]

    def sample(self) -> Iterator[int]:
        """The positions that this worker takes in a pass."""
        if self.share is None:
            yield from super().sample()
            return
        order = order_of_pass(self)
        for number in range(self.offs, len(self), self.num_workers):
            yield from own_part(order[number * self.bs : (number + 1) * self.bs], self.share)

    def chunkify(self, b: Any) -> Any:
        """Samples in batches: this rank's share of each."""
        if self.share is None:
            return super().chunkify(b)
        return chunked(b, max(1, len(range(self.share[0], self.bs, self.share[1]))), False)
