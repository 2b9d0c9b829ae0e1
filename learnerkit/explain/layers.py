"""Which layer an explanation looks at, and its output as a map [B,C,h,w]: that of a transformer's tokens too."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from learnerkit.core.errors import ModelError, nearest
from learnerkit.models.inputs import name_of
from learnerkit.models.target import map_layers

PLACES = ("early", "middle", "late")
_known: WeakKeyDictionary = WeakKeyDictionary()  # models: their modules, and the names of their maps by size
Layer = nn.Module | str
Reshape = Callable[[Tensor], Tensor]


def find_layer(model: nn.Module, layer: Layer, size: int | None = None) -> tuple[str, nn.Module]:
    """The name of a layer within a model, and the layer; ModelError where it has none such.

    layer: one of its modules, the name of one such as 'layer3.1', or a place: 'late' is `target_layer`, the map of the
        last block; 'early' and 'middle' are maps a third and two thirds into the model.
    size: side of the images in pixels: places are then of the maps that have more than one cell at it.
    """
    names = {id(module): name for name, module in model.named_modules(remove_duplicate=False)}
    if isinstance(layer, str):
        module = feature_layer(model, layer, size) if layer in PLACES else dict(model.named_modules()).get(layer)
        if module is None or not layer:
            near = nearest(layer, [*PLACES, *(name for name, _ in model.named_modules() if name)])
            raise ModelError(f"layer '{layer}': {near}")
        layer = module
    if id(layer) not in names:
        raise ModelError(f"layer {type(layer).__name__}: is no module of {name_of(model)}; give one of its own")
    return names[id(layer)], layer


def feature_layer(model: nn.Module, place: str, size: int | None = None) -> nn.Module:
    """The layer whose map is a third into the model, two thirds into it, or its last one, see `target_layer`.

    place: 'early', 'middle' or 'late'; size: see `find_layer`.
    """
    if place not in PLACES:
        raise ModelError(f"layer '{place}': {', '.join(PLACES)}, or a module of the model")
    parts = [id(module) for module in model.modules()]
    known_parts, known = _known.get(model, (None, {}))
    if parts != known_parts:  # its layers are others than when it was looked at
        known = {}
        _known[model] = parts, known
    if size not in known:
        names = {id(module): name for name, module in model.named_modules()}
        known[size] = [names[id(layer)] for layer in map_layers(model, size)]
    found = known[size]
    return model.get_submodule(found[max(0, round(len(found) * (PLACES.index(place) + 1) / 3) - 1)])


def as_map(output: Tensor, sides: tuple[int, int], name: str) -> Tensor:
    """A layer's output as features in the plane [B,C,h,w]; ModelError where it has none.

    output: such a map, one with the channels last [B,h,w,C], or tokens [B,N,C] of a grid, in front of which class and
        register tokens may stand.
    sides: height and width of the images, whose proportions a grid of tokens has; name: of the layer.
    """
    shape = getattr(output, "shape", ())
    if len(shape) == 4 and shape[2] * shape[3] > 1 and not _channels_last(shape, sides):
        return output
    if len(shape) == 4 and _channels_last(shape, sides):
        return output.permute(0, 3, 1, 2)
    if len(shape) == 3 and (grid := _grid(shape[1], sides)):
        height, width = grid
        return output[:, shape[1] - height * width :].transpose(1, 2).unflatten(2, (height, width))
    what = f"an output of {list(shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
    raise ModelError(
        f"layer '{name}': puts out {what}, in which nothing stands in a plane; give one before the pooling, whose "
        "output is [B,C,h,w], or lay its tokens out by reshape=, a function to [B,C,h,w]"
    )


def _channels_last(shape: tuple[int, ...], sides: tuple[int, int]) -> bool:
    """Whether the second and third axis are the plane: they have the images' proportions, and the last two have not."""
    return shape[1] > 1 and _fits(shape[1], shape[2], sides) and not _fits(shape[2], shape[3], sides)


def _fits(height: int, width: int, sides: tuple[int, int]) -> bool:
    """Whether a grid has the proportions of the images, as far as whole numbers of cells allow."""
    return abs(height * sides[1] - width * sides[0]) < max(sides)


def _grid(tokens: int, sides: tuple[int, int]) -> tuple[int, int] | None:
    """Height and width of the grid that so many tokens are, up to eight of them in front; None where there is none."""
    for count in range(tokens, max(3, tokens - 9), -1):
        height = round((count * sides[0] / sides[1]) ** 0.5)
        if height and count % height == 0 and _fits(height, count // height, sides):
            return height, count // height
    return None
