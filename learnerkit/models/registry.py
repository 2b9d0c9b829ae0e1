"""Where model families enter their builders; `models.create` builds from here.

A task's room enters its names as a pattern that begins with the room's own name and a colon, such as `fuse:NAME`.
"""

import re
from collections.abc import Callable

from torch import nn

from learnerkit.core.registry import Registry

Builder = Callable[..., nn.Module]
families: Registry[Builder] = Registry("model")
patterns: list[tuple[re.Pattern[str], tuple[str, ...], Builder]] = []


def register_model(name: str) -> Callable[[Builder], Builder]:
    """Decorator that enters a function of `n_in`, `n_out` and further arguments as a model of this name.

    name: what `create_model`, recipes and model.json call it; one that is taken is refused.

    Examples:
        >>> from torch import nn
        >>> @register_model("linear")
        ... def linear(n_in: int = 3, n_out: int = 10, side: int = 32) -> nn.Module:
        ...     return nn.Sequential(nn.Flatten(), nn.Linear(n_in * side * side, n_out))
        >>> create_model("linear", n_in=1, side=8)[1]
        Linear(in_features=64, out_features=10, bias=True)
    """
    return families.register(name)


def register_pattern(pattern: str, *names: str) -> Callable[[Builder], Builder]:
    """Decorator for names with something in them, such as wrn_D_K; the groups are passed first, numbers as ints.

    pattern: regular expression of the whole name; names: how `list_models` writes it.
    """

    def enter(builder: Builder) -> Builder:
        patterns.append((re.compile(pattern), names, builder))
        return builder

    return enter


def find_builder(name: str) -> tuple[Builder, tuple] | None:
    """The builder of a name and the groups of its pattern; None where nothing is registered under it."""
    for pattern, _, builder in patterns:
        if found := pattern.fullmatch(name):
            return builder, tuple(int(group) if group.isdigit() else group for group in found.groups())
    return (families[name], ()) if name in families else None
