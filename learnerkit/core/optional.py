"""Packages that are not always there: imported when they are needed, named with the extra that brings them."""

from importlib import import_module
from types import ModuleType

from learnerkit.core.errors import LearnerkitError


def optional(module: str, extra: str, what: str) -> ModuleType:
    """An optional module; LearnerkitError names the extra that installs it.

    module: its name; extra: of learnerkit; what: that needs it, for the message.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.split(".")[0]
        raise LearnerkitError(
            f"{what} needs {name} ({error}); install it with `pip install 'learnerkit[{extra}]'`"
        ) from error
