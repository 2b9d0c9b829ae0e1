"""What each sample of a batch contributes to the gradient of its loss, from one backward pass."""

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor, nn

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)


def sample_shares(model: nn.Module, losses: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
    """The loss of each sample [B], and the norm [B] of its share in the gradient of their sum.

    The gradient of a layer's weights is a sum over the samples that went through it; a sample's share is its term
    there, whatever a batch norm has mixed. So all shares of a layer sum to its gradient, and without layers that mix
    samples a share is the gradient of the sample's own loss (Goodfellow 2015, arXiv:1510.01799). Norms are over the
    weights and biases of the trained convolutions and linear layers, in which samples must be the first dimension.

    losses: runs the model forward, and returns one loss a sample.
    """
    seen: dict[nn.Module, list[tuple[Tensor, Tensor]]] = defaultdict(list)

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        seen[layer].append((inputs[0].detach(), output))
        return output.clone()  # what follows may overwrite it

    layers = [layer for layer in model.modules() if isinstance(layer, LAYERS) and layer.weight.requires_grad]
    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        each = losses()
    finally:
        for handle in handles:
            handle.remove()
    uses = [(layer, given, output) for layer, pairs in seen.items() for given, output in pairs]
    gradients = torch.autograd.grad(each.sum(), [output for _, _, output in uses], allow_unused=True)
    squares = torch.zeros(len(each), dtype=torch.float64)
    passed: dict[nn.Module, list[tuple[Tensor, Tensor]]] = defaultdict(list)
    for (layer, given, _), gradient in zip(uses, gradients, strict=True):
        if gradient is not None:
            passed[layer].append((given, gradient))
    for layer, pairs in passed.items():
        for number in range(len(each)):
            shares = [_share(layer, *(_of_sample(part, number, len(each)) for part in pair)) for pair in pairs]
            for parts in zip(*shares, strict=True):
                squares[number] += sum(parts).double().square().sum().cpu()
    return each.detach().float().cpu(), squares.sqrt().float()


def _of_sample(values: Tensor, number: int, n: int) -> Tensor:
    """The rows of a sample: one, or several in a row where a layer sees pieces of each."""
    return values.unflatten(0, (n, -1))[number]


def _share(layer: nn.Module, given: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
    """The gradients of a layer's own parameters from some rows of its input and of its output's gradient."""
    own = [parameter for parameter in layer.parameters(recurse=False) if parameter.requires_grad]
    with torch.enable_grad():
        return torch.autograd.grad(layer(given.to(own[0].dtype)), own, gradient.to(own[0].dtype))
