"""The first layer for another number of input channels: a fresh one, or weights of other channels made to fit."""

from torch import Tensor, nn

from learnerkit.core.errors import ModelError


def first_layer(model: nn.Module) -> str | None:
    """The name of the convolution that sees the input, the model's first one; None where it has none."""
    return next((name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)), None)


def with_input_channels(model: nn.Module, n_in: int) -> nn.Module:
    """Replace the model's first convolution by one with `n_in` input channels, freshly initialised."""
    name = first_layer(model)
    if name is None:
        raise ModelError(f"{type(model).__name__}: has no convolution whose input channels could be changed")
    old = model.get_submodule(name)
    fresh = nn.Conv2d(
        n_in, old.out_channels, old.kernel_size, old.stride, old.padding, old.dilation, bias=old.bias is not None
    )
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, fresh)
    return model


def for_channels(weight: Tensor, n_in: int) -> Tensor:
    """A first convolution's weight [C,c,k,k] for `n_in` channels: the mean over its own c, times c / n_in.

    Channels that are all equal so give what they gave before: one channel has the sum over the colours.
    """
    if weight.shape[1] == n_in:
        return weight
    return weight.mean(dim=1, keepdim=True).expand(-1, n_in, -1, -1) * (weight.shape[1] / n_in)


def channels_text(name: str, before: int, now: int) -> str:
    """Words for a first layer whose weights were made to fit."""
    how = f"the sum over its {before}" if now == 1 else f"the mean over its {before}, times {before}/{now}"
    return f"{name} is for {before} channels and was brought to {now}: {how}"
