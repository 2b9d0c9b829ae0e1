"""Muon for matrices, SGD for the rest: an optimizer of whole models."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Muon(torch.optim.SGD):
    """Steps of `torch.optim.Muon` for weights of two dimensions and more, of SGD with Nesterov's momentum for others.

    A convolution's weight [O,I,H,W] is the matrix [O,I*H*W], as in the CIFAR-10 records (Jordan 2024,
    https://kellerjordan.github.io/posts/muon). A matrix's step has one length whatever its gradient's: rates are those
    of Muon, such as .02 to .2, and weight decay acts apart from the gradient.

    params: parameters or groups of them.
    lr: of all; weight_decay, momentum: as torch has them.
    ns_steps: iterations that make a step orthogonal; 3 are usual in records, 5 elsewhere.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.02,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        ns_steps: int = 5,
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=momentum > 0)
        self.ns_steps = ns_steps

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of all parameters that have a gradient. closure: as torch takes it."""
        matrices = [(group, p, p.grad) for group in self.param_groups for p in group["params"] if _is_matrix(p)]
        for group, parameter, gradient in matrices:
            self._step_matrix(group, parameter, gradient)
            parameter.grad = None  # for SGD it has none
        done = super().step(closure)
        for _, parameter, gradient in matrices:
            parameter.grad = gradient
        return done

    def _step_matrix(self, group: dict[str, Any], parameter: Tensor, gradient: Tensor) -> None:
        """torch's step of one weight, as the matrix that it is."""
        twin = nn.Parameter(_matrix(parameter.detach()))
        twin.grad = _matrix(gradient)
        settings = {name: group[name] for name in ("lr", "momentum", "weight_decay", "nesterov")}
        inner = torch.optim.Muon([twin], **settings, ns_steps=self.ns_steps)
        kept = self.state[parameter]
        if "momentum_buffer" in kept:
            inner.state[twin]["momentum_buffer"] = kept["momentum_buffer"]
        inner.step()
        kept["momentum_buffer"] = inner.state[twin]["momentum_buffer"]
        if twin.data_ptr() != parameter.data_ptr():
            parameter.copy_(twin.view_as(parameter))


def _is_matrix(parameter: Tensor) -> bool:
    return parameter.grad is not None and parameter.ndim > 1


def _matrix(weight: Tensor) -> Tensor:
    """A weight [O,...] as [O,the rest]."""
    return weight.reshape(len(weight), -1)
