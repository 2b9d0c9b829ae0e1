"""Where model families enter their builders; `models.create` builds from here."""

import re
from collections.abc import Callable

from torch import nn

from learnerkit.core.registry import Registry

Builder = Callable[..., nn.Module]
families: Registry[Builder] = Registry("model")
patterns: list[tuple[re.Pattern[str], str, Builder]] = []

register_model = families.register


def register_pattern(pattern: str, shown: str) -> Callable[[Builder], Builder]:
    """Decorator for a family of names with numbers in them, such as wrn_D_K; the groups are passed first, as ints.

    pattern: regular expression of the whole name; shown: how `list_models` writes it.
    """

    def enter(builder: Builder) -> Builder:
        patterns.append((re.compile(pattern), shown, builder))
        return builder

    return enter
