"""Settings in words: short, never in Python's form, and different where the settings are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learnerkit.core.text import one_line


@dataclass(frozen=True)
class Named:
    """A data set: told apart by what it holds, shown by its path."""

    path: str = field(compare=False)
    fingerprint: str | None
    split: str | None

    def __repr__(self) -> str:
        return f"{self.fingerprint} {self.split}"


def worded(value: Any, parts: int = 2) -> str:
    """A setting in words: yes, no, none, .5 for 0.5 and .5,.5 for a pair of it, the end of a path.

    parts: of a path, from its end.
    """
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:g}"
    if isinstance(value, (tuple, list)):
        return ",".join(worded(item, parts) for item in value)
    if isinstance(value, dict):
        return ",".join(f"{key}:{worded(item, parts)}" for key, item in value.items())
    if isinstance(value, Named):
        return "/".join(Path(value.path).parts[-parts:]) or repr(value)
    text = one_line(str(value))
    return "/".join(Path(text).parts[-parts:]) if text.startswith("/") else text


def worded_apart(values: Sequence[Any]) -> list[str]:
    """Settings in words, equal where the settings are and nowhere else: by longer ends of paths, or by a number."""
    keys = [repr(value) for value in values]
    for parts in (2, 3, 4, 8):
        texts = [worded(value, parts) for value in values]
        if len(set(zip(keys, texts, strict=True))) == len(set(texts)):
            return texts
    return _numbered(keys, [worded(value) for value in values])


def _numbered(keys: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Texts, with ' #2' behind one whose key is another than that of the first with this text."""
    seen: dict[str, list[str]] = {}
    found = []
    for key, text in zip(keys, texts, strict=True):
        known = seen.setdefault(text, [])
        if key not in known:
            known.append(key)
        number = known.index(key) + 1
        found.append(text if number == 1 else f"{text} #{number}")
    return found


def key_names(keys: Sequence[str]) -> list[str]:
    """Dotted keys by their last word, or by their last two where others end in the same."""
    last = [key.rsplit(".", 1)[-1] for key in keys]
    return [
        word if last.count(word) == 1 else ".".join(key.split(".")[-2:]) for key, word in zip(keys, last, strict=True)
    ]


def brief(labels: Mapping[str, Mapping[str, str]], longest: int) -> tuple[dict[str, str], str]:
    """Short names of variants, by their label, and the settings that these leave unsaid: '' for none.

    labels: of each variant its settings in words by their key; where a label is longer than so many letters, all of
        them are called by these words alone, shortened where even they are too long.
    """
    if max(map(len, labels), default=0) <= longest:
        return {label: label for label in labels}, ""
    bare = {label: " ".join(words.values()) or label for label, words in labels.items()}
    if len(set(bare.values())) < len(bare):
        return shortened(list(labels), longest), ""
    short = shortened(list(bare.values()), longest)
    keys = list(dict.fromkeys(key for words in labels.values() for key in words))
    return {label: short[text] for label, text in bare.items()}, " ".join(keys)


def shortened(labels: Sequence[str], longest: int) -> dict[str, str]:
    """Each label in at most so many letters (8 at least), an ellipsis for what is left out; different ones stay so."""
    longest = max(8, longest)
    short: dict[str, str] = {}
    for label in dict.fromkeys(labels):
        text, number = label, 1
        while len(text) > longest or text in short.values():
            number += 1
            end = label[-longest // 3 :] if number == 2 else f" #{number - 1}"
            text = f"{label[: longest - len(end) - 1].rstrip()}…{end}"
        short[label] = text
    return short
