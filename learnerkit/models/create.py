"""Model names to modules: `create_model`, `list_models`, and what a built model says of itself."""

import inspect
from fnmatch import fnmatch
from typing import Any

import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from learnerkit.core.errors import ModelError, check_keys
from learnerkit.core.optional import optional
from learnerkit.models import resnet, simple, wrn  # noqa: F401  importing a family registers it
from learnerkit.models.detector import create_detector
from learnerkit.models.first_layer import with_input_channels
from learnerkit.models.mit import SIZES
from learnerkit.models.registry import Builder, families, patterns
from learnerkit.ops.fuse import WEIGHTS, Fused, fused_channels

DETECTOR = "detector:"


def list_models(pattern: str = "*") -> list[str]:
    """Registered names that fit a shell pattern; 'wrn_D_K' stands for every valid depth and width."""
    shown = [*families.matching(), *(name for _, name, _ in patterns), *(f"{DETECTOR}{name}" for name in SIZES)]
    return [name for name in shown if fnmatch(name, pattern)]


def create_model(
    name: str,
    n_in: int = 3,
    n_out: int = 10,
    fusion: str | None = None,
    fusion_weights: tuple[float, float] = WEIGHTS,
    **kwargs: Any,
) -> nn.Module:
    """Build a model by name.

    name: a name of `list_models`, 'timm:NAME' or 'torchvision:NAME'; 'detector:BACKBONE' is a detector on any backbone
        of `create_detector`.
    n_in: input channels.
    n_out: classes.
    fusion: for a model of two maps of `n_in` channels each, how they are fused; see `ops.fuse`.
    fusion_weights: of the two maps, for the fusion 'weighted'.
    kwargs: the family's own arguments, such as dropout.
    Returns a module [B,n_in,H,W] -> [B,n_out], or of two such tensors with a fusion, whose `spec` rebuilds it.
    ModelError for unknown names or arguments.
    """
    if fusion is not None:
        body = create_model(name, fused_channels(fusion, n_in), n_out, **kwargs)
        fused = Fused(body, fusion, n_in, fusion_weights)
        fused.spec = {**body.spec, "n_in": n_in, "fusion": fusion, "fusion_weights": list(fused.weights)}
        return fused
    if name.startswith(DETECTOR):
        model = _call(create_detector, name, (name.removeprefix(DETECTOR),), n_in, n_out, kwargs)
        model.spec = {"name": name, "n_in": n_in, "n_out": n_out, **kwargs}
        return model
    library, _, rest = name.rpartition(":")
    model = _from_library(library, rest, n_in, n_out, kwargs) if library else _build(name, n_in, n_out, kwargs)
    model.spec = {"name": name, "n_in": n_in, "n_out": n_out, **kwargs}
    return model


def takes(name: str, argument: str) -> bool:
    """Whether the family of a registered model has an argument of this name."""
    builders = [builder for pattern, _, builder in patterns if pattern.fullmatch(name)]
    if not builders and name in families.matching("*"):
        builders = [families[name]]
    return bool(builders) and argument in inspect.signature(builders[0]).parameters


def _build(name: str, n_in: int, n_out: int, kwargs: dict[str, Any]) -> nn.Module:
    for pattern, _, builder in patterns:
        if found := pattern.fullmatch(name):
            return _call(builder, name, tuple(map(int, found.groups())), n_in, n_out, kwargs)
    return _call(families[name], name, (), n_in, n_out, kwargs)


def _call(builder: Builder, name: str, first: tuple, n_in: int, n_out: int, kwargs: dict[str, Any]) -> nn.Module:
    parameters = inspect.signature(builder).parameters
    known = [key for key in list(parameters)[len(first) :] if key not in ("n_in", "n_out")]
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    faults = [] if anything else check_keys(kwargs, known, f"model {name}")
    if faults:
        raise ModelError("; ".join(faults))
    return builder(*first, n_in=n_in, n_out=n_out, **kwargs)


def _from_library(library: str, name: str, n_in: int, n_out: int, kwargs: dict[str, Any]) -> nn.Module:
    if library == "timm":
        timm = optional("timm", "timm", f"the model timm:{name}")
        if not timm.is_model(name):
            raise ModelError(check_keys([name], timm.list_models(), "timm model")[0])
        return timm.create_model(name, in_chans=n_in, num_classes=n_out, **kwargs)
    if library == "torchvision":
        known = torchvision.models.list_models(torchvision.models)
        faults = [] if name in known else check_keys([name], known, "torchvision model")
        if faults:
            raise ModelError(faults[0])
        model = torchvision.models.get_model(name, num_classes=n_out, **kwargs)
        return model if n_in == 3 else with_input_channels(model, n_in)
    raise ModelError(f"model library '{library}': known are 'timm:NAME' and 'torchvision:NAME'")


def model_info(model: nn.Module, size: int = 32) -> dict[str, Any]:
    """Parameters, multiply-adds and memory of a model for one image.

    size: side of the image in pixels.
    """
    from_spec = getattr(model, "spec", {})
    n_in = from_spec.get("n_in", 3)
    training = model.training
    device = next(model.parameters()).device
    counter = FlopCounterMode(display=False)
    model.eval()
    inputs = [torch.zeros(1, n_in, size, size, device=device)] * (2 if isinstance(model, Fused) else 1)
    with torch.no_grad(), counter:
        model(*inputs)
    model.train(training)
    parameters = sum(p.numel() for p in model.parameters())
    weights = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))
    return {
        "name": from_spec.get("name", type(model).__name__),
        "parameters": parameters,
        "flops": counter.get_total_flops(),  # 2 for a multiply-add
        "megabytes": round(weights / 1e6, 2),
        "size": size,
    }
