"""The ranges of arguments, as types: recipes and functions are held to the same ones, and this is where they stand.

A function decorated with `checked` refuses, by name, an argument that is outside the type in its signature.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, wraps
from itertools import zip_longest
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, Field, Strict, TypeAdapter, ValidationError

from learnerkit.core.errors import RecipeError, nearest
from learnerkit.core.yaml import number_hint

Whole = Annotated[int, Strict()]
Count = Annotated[int, Strict(), Field(ge=0)]
AtLeastOne = Annotated[int, Strict(), Field(ge=1)]
OneOrMore = AtLeastOne | Annotated[tuple[AtLeastOne, ...], Field(min_length=1)]
Seed = Annotated[int, Strict(), Field(ge=0, lt=2**63)]
Lot = Annotated[int, Strict(), Field(ge=0, lt=2**32)]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
ShareBelowOne = Annotated[float, Strict(), Field(ge=0, lt=1)]
Inner = Annotated[float, Strict(), Field(gt=0, lt=1)]
Factor = Annotated[float, Strict(), Field(gt=0, le=1)]
Until = Factor | Literal["auto"]  # confidence of a prediction that needs no further pass
Degrees = Annotated[float, Strict(), Field(ge=0, le=180)]
Flag = Annotated[bool, Strict()]
Side = Annotated[int, Strict(), Field(ge=8)]  # pixels of an image
FrameSide = Annotated[int, Strict(), Field(ge=32)]  # pixels of a frame's longer side
RESIZE = Literal["crop", "pad", "squish"]  # how a picture is brought to a size
Operations = tuple[AtLeastOne, Annotated[int, Strict(), Field(ge=0, le=30)]]  # of RandAugment: number and magnitude


def _whole(shares: tuple[float, ...]) -> tuple[float, ...]:
    if abs(sum(shares) - 1) > 1e-6:
        raise ValueError("shares sum to 1")
    return shares


SplitShares = Annotated[tuple[Share, ...], Field(min_length=2, max_length=3), AfterValidator(_whole)]


def is_ranged(kind: Any) -> bool:
    """Whether a type says by itself which values it has: numbers, flags, words of a choice, and tuples of them."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return is_ranged(parts[0])
    if origin is Literal:
        return True
    if origin is tuple:
        return all(part is Ellipsis or is_ranged(part) for part in parts)
    if origin in (Union, UnionType):
        return all(part is NoneType or is_ranged(part) for part in parts) and set(parts) != {NoneType}
    return kind in (bool, int, float)


@cache
def ranges_of(function: Callable) -> dict[str, Any]:
    """The arguments of a function, or of a class's `__init__`, whose types say their values, with these types."""
    function = function.__init__ if inspect.isclass(function) else function
    hints = get_type_hints(function, include_extras=True)
    many = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    single = {name for name, parameter in inspect.signature(function).parameters.items() if parameter.kind not in many}
    return {name: kind for name, kind in hints.items() if name in single and is_ranged(kind)}


@cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)


def plain_number(value: Any) -> Any:
    """A number of numpy's or torch's as Python's, in tuples, lists and small arrays too; anything else as it is."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(plain_number, value)) if type(value) in (tuple, list) else value
    if type(value).__module__ not in ("numpy", "torch") or not hasattr(value, "tolist"):
        return value
    return value.tolist() if len(getattr(value, "shape", ())) < 2 else value


def range_fault(value: Any, kind: Any) -> str | None:
    """What is wrong with a value of such a type, in words; None where nothing is."""
    value = plain_number(value)
    if kind in (bool, int, float):
        kind = Annotated[kind, Strict()]
    try:
        _adapter(kind).validate_python(value)
    except ValidationError as error:
        said = dict.fromkeys(item["msg"].removeprefix("Value error, ") for item in error.errors())
        hint = number_hint(value)
        if isinstance(value, str) and (words := [word for word in choices_of(kind) if isinstance(word, str)]):
            hint = nearest(value, words)
        return " or ".join(said) + (f"; {hint}" if hint else "")
    return None


def choices_of(kind: Any) -> list[Any]:
    """The values of the choices in a type."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [choice for part in get_args(kind) for choice in choices_of(part)]


def check_ranges(name: str, given: Mapping[str, Any], ranges: Mapping[str, Any]) -> None:
    """RecipeError naming each of the arguments given that is outside its range.

    name: of the function, for the message; ranges: of `ranges_of`.
    """
    faults = []
    for argument, value in given.items():
        if argument in ranges and (fault := range_fault(value, ranges[argument])):
            faults.append(f"{name}({argument}={value!r}): {fault}")
    if faults:
        raise RecipeError("; ".join(faults))


def shown_name(function: Callable) -> str:
    """What a message calls a function: its name, that of the class for an `__init__`."""
    return function.__qualname__.removesuffix(".__init__").rsplit(".", 1)[-1]


def checked(function: Callable) -> Callable:
    """Decorator: an argument outside the range that its type says is a RecipeError that names it.

    function: any, also the `__init__` of a class, which the message then names by the class.
    """
    signature, named = inspect.signature(function), shown_name(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:  # which Python says better by itself
            return function(*args, **kwargs)
        ranges = ranges_of(function)
        check_ranges(named, given, ranges)
        args = [plain_number(value) if name in ranges else value for name, value in _named(signature, args)]
        kwargs = {name: plain_number(value) if name in ranges else value for name, value in kwargs.items()}
        return function(*args, **kwargs)

    return call


def _named(signature: inspect.Signature, args: tuple) -> list[tuple[str, Any]]:
    """Positional arguments with their names; '' for those of `*args`."""
    names = [name for name, p in signature.parameters.items() if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    return list(zip_longest(names[: len(args)], args, fillvalue=""))
