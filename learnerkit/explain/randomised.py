"""The randomisation control (Adebayo et al. 2018): do maps change when what the model has learnt is taken from it?"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from learnerkit.core.errors import ModelError
from learnerkit.core.ranges import AtLeastOne, Inner, Lot, checked
from learnerkit.core.seed import seeded
from learnerkit.explain.batches import Method, maps_of, predicted
from learnerkit.explain.cam import gradcam
from learnerkit.explain.consistency import Row, likeness_rows
from learnerkit.explain.measures import SHARE
from learnerkit.explain.scores import Targets
from learnerkit.models.inputs import name_of
from learnerkit.models.mode import in_mode

RUNNING = {"running_mean": 0.0, "running_var": 1.0}  # of a norm that has seen no data


class Randomised(NamedTuple):
    """A copy of a model whose last `depth` layers are drawn anew.

    lowest: the name of the lowest of them; part: of the model's numbers that they hold.
    """

    depth: int
    lowest: str
    part: float
    model: nn.Module


@checked
def randomisation_control(
    model: nn.Module,
    images: Tensor,
    method: Method = gradcam,
    targets: Targets = None,
    *,
    depths: AtLeastOne = 5,
    seed: Lot = 0,
    bs: AtLeastOne = 64,
    share: Inner = SHARE,
    level: Inner = 0.95,
    groups: Sequence | np.ndarray | None = None,
) -> list[Row]:
    """How alike the maps of a model and of copies with weights drawn anew are, from the head down to the input.

    model: left as it is. images: [N,C,H,W] as the model takes them.
    method: a function (model, images, targets=) to maps.
    targets: class indices [N], or one for all; what the model predicts when None. The copies explain the same classes.
    depths: at how many it is measured: all layers, the last one alone, evenly between.
    seed: of the new weights. bs: images at a time.
    share, level, groups: as in `explanation_consistency`.
    A row has `depth` (layers drawn anew), `lowest` (the name of the lowest), `redrawn` (their part of the model's
    numbers), and `measure` to `n_na` as in `explanation_consistency`: maps of what was learnt lose their likeness.

    Examples:
        >>> import torch
        >>> model, images = create_model("tiny_cnn", n_in=1), torch.rand(8, 1, 32, 32)
        >>> rows = randomisation_control(model, images, saliency_map, depths=2)
        >>> sorted({row["measure"] for row in rows})
        ['overlap', 'spearman', 'ssim']
    """
    if targets is None:
        targets = predicted(model, images, bs)
    trained = maps_of(method, model, images, targets, bs)
    rows = []
    for step in randomised(model, images[:1], seed, depths):
        maps = maps_of(method, step.model, images, targets, bs)
        place = {"depth": step.depth, "lowest": step.lowest, "redrawn": step.part}
        rows += [{**place, **row} for row in likeness_rows(trained, maps, share, level, groups)]
    return rows


def randomised(model: nn.Module, images: Any = None, seed: int = 0, depths: int | None = None) -> Iterator[Randomised]:
    """Copies of a model whose layers are drawn anew one by one, from the head down; each copy is one's own.

    images: a batch that it takes, to see in which order the layers run; the order of their registration when None.
    seed: of the new weights; those of a layer do not depend on which others are drawn.
    depths: how many copies: of all layers, the last one alone, evenly between; one a layer when None.
    See `redraw` for how a layer is drawn. The model, and the state of the process's generators, stay as they are.
    """
    names = layer_order(model, images)
    if not names:
        raise ModelError(f"{name_of(model)}: has no weights that could be drawn anew")
    wanted = set(np.linspace(len(names), 1, min(depths or len(names), len(names))).round().astype(int).tolist())
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
    drawn, total = copy.deepcopy(model).cpu(), max(1, _numbers(model, names))
    for depth, name in enumerate(names, 1):
        with seeded(seed, depth):
            redraw(drawn.get_submodule(name))
        if depth in wanted:
            yield Randomised(depth, name, _numbers(model, names[:depth]) / total, copy.deepcopy(drawn).to(device))


def redraw(module: nn.Module) -> None:
    """Draw a layer's own weights anew from the default generator: what it learnt is gone, its scale is a new layer's.

    By its own `reset_parameters`, as when it was made; a norm's running statistics are then those of no data. What has
    none (gates, layer scale, tokens, position tables, frozen norms), and what its own left as it was though it varies
    (a parametrised weight), is drawn from a normal of mean 0 that has the same mean square.
    """
    before = {name: tensor.clone() for name, tensor in own_weights(module).items()}
    own = getattr(module, "reset_parameters", None)
    if callable(own):
        own()
    for name, tensor in own_weights(module).items():
        varies = tensor.numel() > 1 and bool((tensor != tensor.flatten()[0]).any())
        if not callable(own) or (varies and torch.equal(tensor, before[name])):
            with torch.no_grad():
                tensor.normal_().mul_(before[name].square().mean().sqrt())
    for name, tensor in _running(module).items():
        tensor.fill_(RUNNING[name])


def _running(module: nn.Module) -> dict[str, Tensor]:
    """A norm's running statistics by name."""
    return {name: tensor for name, tensor in module.named_buffers(recurse=False) if name in RUNNING}


def own_weights(module: nn.Module) -> dict[str, Tensor]:
    """What a module itself, without its parts, multiplies and adds by name: parameters, and buffers of frozen norms."""
    found = dict(module.named_parameters(recurse=False))
    buffers = dict(module.named_buffers(recurse=False))
    found |= {name: buffers[name] for name in ("weight", "bias") if name in buffers}
    return {name: tensor for name, tensor in found.items() if tensor.is_floating_point()}


def layer_order(model: nn.Module, images: Any = None) -> list[str]:
    """The names of the modules that hold weights, from the last that begins to run to the first.

    One that does not run by itself, as the output layer of an attention, stands where the module around it begins.
    """
    names = [name for name, module in model.named_modules() if own_weights(module) or _running(module)]
    if images is None:
        return names[::-1]
    begun: dict[str, int] = {}
    hooks = [module.register_forward_pre_hook(_noting(begun, name)) for name, module in model.named_modules()]
    try:
        with in_mode(model, training=False), torch.no_grad():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    registered = {name: number for number, name in enumerate(names)}
    return sorted(names, key=lambda name: (_begins(begun, name), registered[name]), reverse=True)


def _noting(begun: dict[str, int], name: str) -> Callable:
    def hook(*_: Any) -> None:
        begun.setdefault(name, len(begun))

    return hook


def _begins(begun: dict[str, int], name: str) -> int:
    """When a module began to run, or the nearest around it that did."""
    while name and name not in begun:
        name = name.rpartition(".")[0]
    return begun.get(name, 0)


def _numbers(model: nn.Module, names: Sequence[str]) -> int:
    weights = {
        id(tensor): tensor.numel() for name in names for tensor in own_weights(model.get_submodule(name)).values()
    }
    return sum(weights.values())
