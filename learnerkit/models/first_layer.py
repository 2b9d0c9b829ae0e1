"""Another number of input channels for a model of a library."""

from torch import nn

from learnerkit.core.errors import ModelError


def with_input_channels(model: nn.Module, n_in: int) -> nn.Module:
    """Replace the model's first convolution by one with `n_in` input channels, freshly initialised."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            parent, _, child = name.rpartition(".")
            fresh = nn.Conv2d(
                n_in,
                module.out_channels,
                module.kernel_size,
                module.stride,
                module.padding,
                bias=module.bias is not None,
            )
            setattr(model.get_submodule(parent), child, fresh)
            return model
    raise ModelError(f"{type(model).__name__}: has no convolution whose input channels could be changed")
