"""Which samples are worth more passes: those of whose class the first pass is not sure."""

import torch
from torch import Tensor

WITHIN = 5e-4  # by how much the accuracy may differ from that of all passes for all samples


def unsure(probabilities: Tensor, until: float) -> Tensor:
    """Whether the greatest of the probabilities [N,K] is below `until`, bool [N]."""
    return probabilities.amax(dim=-1) < until


def until_of(first: Tensor, averaged: Tensor, targets: Tensor, within: float = WITHIN) -> float:
    """The least confidence from which on the first pass alone is as good as all of them.

    first, averaged: probabilities [N,K] of the first pass, and the mean of all; targets: classes [N].
    within: greatest difference of the accuracies, here and at every higher threshold, so that no luck of one decides.
    Returns a threshold for `unsure` in 0..1, or one above 1, by which no sample is sure enough.
    """
    sure, order = first.amax(dim=-1).sort(descending=True, stable=True)
    change = (first.argmax(-1) == targets).long() - (averaged.argmax(-1) == targets).long()
    difference = change[order].cumsum(0).abs() / len(targets)  # of taking the surest i + 1 samples by the first pass
    beyond = (difference > within).nonzero()
    allowed = int(beyond[0]) if len(beyond) else len(targets)
    while 0 < allowed < len(targets) and sure[allowed - 1] == sure[allowed]:
        allowed -= 1  # samples of one confidence go together
    return float(sure[allowed - 1]) if allowed else float(torch.nextafter(torch.tensor(1.0), torch.tensor(2.0)))
