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
        hidden = [self._step_matrices(group) for group in self.param_groups]
        done = super().step(closure)
        for parameter, gradient in (pair for pairs in hidden for pair in pairs):
            parameter.grad = gradient
        return done

    def _step_matrices(self, group: dict[str, Any]) -> list[tuple[Tensor, Tensor]]:
        """torch's step of a group's weights, each as the matrix that it is; returns them with the gradients that they
        lose, so that SGD passes them over."""
        weights = [parameter for parameter in group["params"] if _is_matrix(parameter)]
        if not weights:
            return []
        twins = [nn.Parameter(_matrix(weight.detach())) for weight in weights]
        settings = {name: group[name] for name in ("lr", "momentum", "weight_decay", "nesterov")}
        inner = torch.optim.Muon(twins, **settings, ns_steps=self.ns_steps)
        for weight, twin in zip(weights, twins, strict=True):
            twin.grad = _matrix(weight.grad)
            if kept := self.state[weight]:
                inner.state[twin]["momentum_buffer"] = kept["momentum_buffer"]
        inner.step()
        hidden = [(weight, weight.grad) for weight in weights]
        for weight, twin in zip(weights, twins, strict=True):
            self.state[weight]["momentum_buffer"] = inner.state[twin]["momentum_buffer"]
            if twin.data_ptr() != weight.data_ptr():
                weight.copy_(twin.view_as(weight))
            weight.grad = None
        return hidden


def _is_matrix(parameter: Tensor) -> bool:
    return parameter.grad is not None and parameter.ndim > 1


def _matrix(weight: Tensor) -> Tensor:
    """A weight [O,...] as [O,the rest]."""
    return weight.reshape(len(weight), -1)
