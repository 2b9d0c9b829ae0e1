"""The one reader of YAML: words and numbers stay what was written, and what a file says twice is refused.

Scalars are those of YAML 1.2's core schema: null and ~, true and false, decimal numbers. All else is text: yes, on,
12:30, 2024-01-01, 010, 1_000, 0x1F, .inf. A field that needs a number refuses such a text; `number_hint` says why.
"""

import re
from collections.abc import Collection, Hashable
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from learnerkit.core.errors import RecipeError

WHOLE = r"[-+]?(?:0|[1-9][0-9]*)"
SCALARS = (  # tag, what it looks like, what it begins with
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", WHOLE, list("-+0123456789")),
    ("float", rf"(?:{WHOLE}(?:\.[0-9]*)?|[-+]?\.[0-9]+)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars above, without aliases, tags and keys that stand twice."""

    yaml_implicit_resolvers: dict = {}

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            alias = isinstance(event, yaml.AliasEvent)
            what = f"the alias *{event.anchor}" if alias else "the tag " + event.tag.replace("tag:yaml.org,2002:", "!!")
            raise RecipeError(f"line {event.start_mark.line + 1}: {what} is not followed; write out what it means")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if isinstance(key, Hashable) and key in lines:
                raise RecipeError(f"'{key_node.value}' stands twice, in line {lines[key]} and in line {line}; keep one")
            if isinstance(key, Hashable):
                lines[key] = line
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, which quotes the texts that `_Loader` and other tools would take for something else."""


for _tag, _look, _first in SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_look})\Z"), _first)
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_look})\Z"), _first)


def parse_yaml(text: str, words: Collection[str] = ()) -> Any:
    """What a YAML text says; RecipeError, with the line, for what is no YAML or is not read.

    words: top-level keys below which every value is text as it was written, such as the names of classes.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if isinstance(node, MappingNode):
                for key, value in node.value:
                    if key.value in words:
                        _keep_words(value)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise RecipeError(f"is not valid YAML ({where}{error.problem or error.context})") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise RecipeError(f"is not valid YAML ({error})") from error


def _keep_words(node: Node) -> None:
    """Let the scalars in a list or mapping be texts; the keys of a mapping stay what they are."""
    parts = node.value if isinstance(node, SequenceNode) else ()
    parts = [value for _, value in node.value] if isinstance(node, MappingNode) else parts
    for part in parts:
        if isinstance(part, ScalarNode):
            part.tag = "tag:yaml.org,2002:str"
        _keep_words(part)


def to_yaml(value: Any, flow: bool = False) -> str:
    """Plain values as YAML that `parse_yaml` reads back equal.

    flow: a mapping on one line, without its braces where it has one key.
    """
    if not flow:
        return yaml.dump(value, Dumper=_Dumper, sort_keys=False)
    parts = (
        yaml.dump([one], Dumper=_Dumper, sort_keys=False, default_flow_style=True, width=2**20)
        for one in value.values()
    )
    return ", ".join(f"{key}: {part.strip()[1:-1]}" for key, part in zip(value, parts, strict=True))


def number_hint(value: Any) -> str:
    """Why a value that looks like a number is none, in words; '' where it does not."""
    if isinstance(value, bool):
        return "true and false are no numbers"
    if not isinstance(value, str):
        return ""
    if re.fullmatch(r"[-+]?\.?(inf(inity)?|nan)", value, re.IGNORECASE):
        return "a number has to be finite"
    if re.fullmatch(r"[-+]?0+[0-9].*", value):
        return "leading zeros mean another number to some tools: say " + re.sub(r"^([-+]?)0+(?=[0-9])", r"\1", value)
    if re.fullmatch(r"[-+]?[0-9]+(_[0-9]+)+(\.[0-9]*)?", value):
        return f"digits are not grouped: say {value.replace('_', '')}"
    if re.fullmatch(r"[-+]?0[xob][0-9a-fA-F]+", value):
        return "numbers are decimal"
    return ""
