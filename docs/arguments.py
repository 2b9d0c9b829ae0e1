"""Reads our docstrings for the API pages: arguments a line each, and what decorators put together at run time.

A docstring of ours documents arguments as `name, name: text`; mkdocstrings reads Google's sections. A public function's
arguments are partly those of others (`core.calls.extends`), which only the imported object knows.
"""

import inspect
import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import griffe

import learnerkit.all

ARGUMENT = re.compile(r"(\w+(?:, \w+)*): (.*)")
FURTHER = re.compile(r"[;.] (\w+(?:, \w+)*): ")  # an argument within the line of another
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


class Arguments(griffe.Extension):
    """Sets signatures and docstrings of a package's objects before they are rendered."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Go through a loaded package; others than ours are left as they are."""
        if pkg.name != "learnerkit":
            return
        self._rewrite(pkg)
        for name in learnerkit.all.__all__:
            found = getattr(learnerkit.all, name)
            if found.__module__.startswith("learnerkit."):
                shown = pkg[f"{found.__module__}.{found.__qualname__}".removeprefix("learnerkit.")]
                _take_over(shown, found)

    def _rewrite(self, shown: griffe.Object) -> None:
        for member in shown.members.values():
            if member.is_alias:
                continue
            if member.is_function and member.docstring:
                names = {parameter.name: str(parameter.annotation or "") for parameter in member.parameters}
                member.docstring.value = sectioned(member.docstring.value, names)
            elif member.is_class and member.docstring:
                member.docstring.value = sectioned(member.docstring.value, {}, is_class=True)
            self._rewrite(member)


def _take_over(shown: griffe.Object, found: Any) -> None:
    """Put the imported object's signature and docstring in the place of what its source says."""
    names, parameters = {}, griffe.Parameters()
    for parameter in signature_of(found):
        kind = parameter.annotation
        names[parameter.name] = "Any" if kind is parameter.empty else type_text(kind)
        default = None if parameter.default is parameter.empty else default_text(parameter.default)
        kind = griffe.ParameterKind(parameter.kind.description)
        parameters.add(griffe.Parameter(parameter.name, kind=kind, default=default))
    text = sectioned(inspect.getdoc(found) or "", names, shown.is_class)
    if shown.docstring:
        shown.docstring.value = text
    if shown.is_class:
        shown.members.pop("__init__", None)
        made = griffe.Function("__init__", parameters=parameters)
        made.parent = shown
        shown.members["__init__"] = made
    else:
        shown.parameters, shown.returns = parameters, None


def signature_of(found: Any) -> list[inspect.Parameter]:
    """The parameters of a public function or class that are given by name, without `self`; [] of what has none."""
    if not inspect.isclass(found):
        parameters = inspect.signature(found).parameters.values()
    elif inspect.isfunction(found.__init__):  # fastai's classes keep a parent's signature
        parameters = list(inspect.signature(found.__init__).parameters.values())[1:]
    else:
        parameters = []
    return [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


def sectioned(text: str, names: dict[str, str], is_class: bool = False) -> str:
    """A docstring with its argument lines as a section of Google's style, the rest in its order, examples last.

    names: the parameters and their types as text.
    is_class: lines of that form that name no parameter are attributes.
    """
    lines, rows, rest, taking = text.splitlines(), [], [], False
    examples = next((at for at, line in enumerate(lines) if line.startswith("Examples:")), len(lines))
    for line in lines[:examples]:
        found = ARGUMENT.fullmatch(line)
        words = found.group(1).split(", ") if found else []
        if words and (is_class or set(words) <= names.keys()):
            rows.append((words, found.group(2)))
            taking = True
        elif taking and line.startswith("    "):
            rows[-1] = (rows[-1][0], f"{rows[-1][1]} {line.strip()}")
        else:
            taking = False
            rest.append(line)
    rows = [(name, said) for words, text in rows for name, said in _single(words, text, names, is_class)]
    sections = [
        _section("Args", [(name, said) for name, said in rows if name in names], names),
        _section("Attributes", [(name, said) for name, said in rows if name not in names], names),
    ]
    return "\n\n".join(part for part in ("\n".join(rest).strip(), *sections, "\n".join(lines[examples:])) if part)


def _single(words: list[str], text: str, names: dict[str, str], is_class: bool) -> Iterator[tuple[str, str]]:
    """Names one by one with what is said of them, of a line such as `a, b: text; c: text. d: text`."""
    begins = [found for found in FURTHER.finditer(text) if is_class or set(found.group(1).split(", ")) <= names.keys()]
    ends = [found.start() for found in begins] + [len(text)]
    yield from ((name, text[: ends[0]]) for name in words)
    for found, end in zip(begins, ends[1:], strict=True):
        for name in found.group(1).split(", "):
            yield name, text[found.end() : end]


def _section(title: str, rows: list[tuple[str, str]], kinds: dict[str, str]) -> str:
    lines = [f"    {name}{f' ({kinds[name]})' if kinds.get(name) else ''}: {said}" for name, said in rows]
    return "\n".join([f"{title}:", *lines]) if lines else ""


def default_text(value: Any) -> str:
    """A default as it would be written; an ellipsis for what has no short form."""
    named = (inspect.isclass(value) or inspect.isfunction(value)) and value.__name__ != "<lambda>"
    text = value.__name__ if named else repr(value)
    return "..." if "<" in text or len(text) > 60 else text


def type_text(kind: Any) -> str:
    """A type in words: its name, or its choices, with its bounds."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return " ".join([type_text(parts[0]), *_bounds(parts[1:])])
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin in (Union, UnionType):
        texts = dict.fromkeys(type_text(part) for part in parts)
        if {"str", "PathLike"} <= texts.keys():
            texts = dict.fromkeys("path" if text in ("str", "PathLike") else text for text in texts)
        return " or ".join(texts)
    if kind is type(None):
        return "None"
    if origin is tuple and parts:
        return f"({', '.join('...' if part is Ellipsis else type_text(part) for part in parts)})"
    if isinstance(kind, str):
        return kind
    return getattr(origin or kind, "__name__", str(kind))


def _bounds(said: tuple[Any, ...]) -> list[str]:
    """The bounds of an annotated type in words; those of a machine word say nothing."""
    bounds = [bound for item in said for bound in (getattr(item, "metadata", None) or [item])]
    found = [(word, getattr(bound, key, None)) for bound in bounds for key, word in BOUNDS.items()]
    return [f"{word} {value:g}" for word, value in found if value is not None and value < 2**31]
