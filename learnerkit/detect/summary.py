"""The summary of a detector: fastai's own follows modules that give tensors alone."""

import contextlib
from typing import Any

import torch
from torch import Tensor, nn

from learnerkit._fastai import Learner, PrettyString

WIDTH = 76


def shape_text(output: Any) -> str:
    """The shape of what a module gives: of a tensor, or of each tensor in it; '' where there is none."""
    if isinstance(output, Tensor):
        return " x ".join(map(str, output.shape))
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, (list, tuple)) else ()
    return ", ".join(filter(None, map(shape_text, parts)))


def layers_of(model: nn.Module, *inputs: Tensor) -> list[tuple[str, str, str, int, bool]]:
    """Of each module without modules in it, in the order of their calls: name, type, shape, parameters, trained.

    inputs: what the model is called with, in evaluation mode. A module that is called again has one line.
    """
    lines: dict[str, tuple[str, str, str, int, bool]] = {}

    def enter(name: str) -> Any:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            own = list(module.parameters())
            trained = any(parameter.requires_grad for parameter in own)
            count = sum(parameter.numel() for parameter in own)
            lines.setdefault(name, (name, type(module).__name__, shape_text(output), count, trained))

        return hook

    training = model.training
    with contextlib.ExitStack() as stack, torch.no_grad():
        stack.callback(model.train, training)
        for name, module in model.named_modules():
            if not any(module.children()):
                stack.callback(module.register_forward_hook(enter(name)).remove)
        model.eval()(*inputs)
    return list(lines.values())


def summary_of(learn: Learner) -> PrettyString:
    """Layers, parameters, optimizer, loss and callbacks of a learner, in the words of fastai's summary."""
    model, batch = learn.model, learn.dls.train.one_batch()
    inputs = [part[:1].as_subclass(Tensor) for part in batch[: learn.dls.train.n_inp]]
    text = [f"{type(model).__name__} (Input shape: {shape_text(batch[0])})", "=" * WIDTH]
    text += [f"{'Layer (type)':<52}{'Output Shape':<32}{'Param #':<11}Trainable", "=" * WIDTH]
    for name, kind, shape, count, trained in layers_of(model, *inputs):
        text.append(f"{f'{name} ({kind})':<52}{shape:<32}{f'{count:,}' if count else '':<11}{trained if count else ''}")
    parameters = list(model.parameters())
    total = sum(parameter.numel() for parameter in parameters)
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    text += ["_" * WIDTH, "", f"Total params: {total:,}", f"Total trainable params: {trained:,}"]
    text += [f"Total non-trainable params: {total - trained:,}", ""]
    text += [f"Optimizer used: {learn.opt_func}", f"Loss function: {learn.loss_func}", ""]
    if learn.opt is not None:
        frozen = learn.opt.frozen_idx
        text += ["Model unfrozen" if not frozen else f"Model frozen up to parameter group #{frozen}", ""]
    text += ["Callbacks:", *(f"  - {cb}" for cb in learn.cbs.sorted("order"))]
    return PrettyString("\n".join(text))
