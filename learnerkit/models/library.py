"""Models of timm and torchvision: any by 'timm:NAME' and 'torchvision:NAME', the usual families by names of our own."""

from collections.abc import Callable
from typing import Any

import torchvision
from torch import nn

from learnerkit.core.errors import ModelError, check_keys
from learnerkit.core.optional import optional
from learnerkit.models.first_layer import with_input_channels
from learnerkit.models.registry import register_model

LIBRARIES = ("timm", "torchvision")
VGG = ("vgg11", "vgg13", "vgg16", "vgg11_bn", "vgg13_bn", "vgg16_bn")
RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101")  # here in the ImageNet form; in the CIFAR form our own
MOBILENETS = {  # ours: torchvision's, and what is fixed of it
    "mobilenet_v2": ("mobilenet_v2", {}),
    "mobilenet_v2_small": ("mobilenet_v2", {"width_mult": 0.75}),
    "mobilenet_v3_small": ("mobilenet_v3_small", {}),
    "mobilenet_v3_large": ("mobilenet_v3_large", {}),
}


def from_library(library: str, name: str, n_in: int, n_out: int, kwargs: dict[str, Any]) -> nn.Module:
    """A model of a library; ModelError, with the nearest names, where it has none of this name."""
    if library == "timm":
        timm = optional("timm", "timm", f"the model timm:{name}")
        if not timm.is_model(name):
            raise ModelError(check_keys([name], timm.list_models(), "timm model")[0])
        return timm.create_model(name, in_chans=n_in, num_classes=n_out, **kwargs)
    known = torchvision.models.list_models(torchvision.models)
    faults = [] if name in known else check_keys([name], known, "torchvision model")
    if faults:
        raise ModelError(faults[0])
    return _of_torchvision(name, n_in, n_out, **kwargs)


def _of_torchvision(name: str, n_in: int, n_out: int, **kwargs: Any) -> nn.Module:
    model = torchvision.models.get_model(name, num_classes=n_out, **kwargs)
    return model if n_in == 3 else with_input_channels(model, n_in)


def _plain(name: str) -> Callable[..., nn.Module]:
    def build(n_in: int = 3, n_out: int = 10) -> nn.Module:
        return _of_torchvision(name, n_in, n_out)

    return build


def _with_dropout(name: str, usual: float, **fixed: Any) -> Callable[..., nn.Module]:
    def build(n_in: int = 3, n_out: int = 10, dropout: float = usual) -> nn.Module:
        return _of_torchvision(name, n_in, n_out, dropout=dropout, **fixed)

    return build


for _name in VGG:  # dropout: after both hidden layers of the classifier
    register_model(_name)(_with_dropout(_name, 0.5))
for _name in RESNETS:
    register_model(f"{_name}_imagenet")(_plain(_name))
for _name, (_theirs, _fixed) in MOBILENETS.items():
    register_model(_name)(_with_dropout(_theirs, 0.2, **_fixed))
