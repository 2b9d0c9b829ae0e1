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

register_model = families.register


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
