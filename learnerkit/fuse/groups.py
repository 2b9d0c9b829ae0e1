"""Which pairs are of one source image: by what the files say of it, by what the user names, or by the files' names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from learnerkit.core.errors import DataError, nearest
from learnerkit.data.pictures import SUFFIXES as PICTURES
from learnerkit.fuse.files import layer_of, stem_of

BY_NAME = "name"
SUFFIXES = PICTURES | {".pt", ".npy", ".npz"}
MOST_OF_A_SOURCE = 50  # pairs; more of them have a set or a model in common, and no image
IMAGE_WORDS = (
    "image_id",
    "img_id",
    "source_image",
    "source_id",
    "image_path",
    "img_path",
    "image_file",
    "image_name",
    "file_name",
    "filename",
    "image",
    "path",
    "source",
)


@dataclass(frozen=True)
class Images:
    """The source image of each pair.

    names: of the image, a pair each; by: the place in the files that says it, or 'name' for the files' own names.
    notes: what says something else and was set aside, a line each. bad: reason by row, where a file does not say it.
    """

    names: list[str]
    by: str
    notes: list[str] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)


def find_images(ids: Sequence[str], said: Sequence[dict[str, str]], group: str | None = None) -> Images:
    """The source image of each pair.

    ids: paths of the files below the set; said: what each says by its place, as in `Pair.said`.
    group: the key to take, wherever in the files it stands, or 'name' for the files' own names; found when None: the
        first of `IMAGE_WORDS` that says the same for some pairs and not for all.
    """
    stems = [stem_of(Path(name)) for name in ids]
    places = list(dict.fromkeys(place for told in said for place in told))
    if group == BY_NAME:
        return Images(stems, BY_NAME)
    if group is not None:
        return _named(group, stems, said, places)
    notes: list[str] = []
    found: list[tuple[str, list[str]]] = []
    for place in sorted((place for place in places if _rank(place)[0] < len(IMAGE_WORDS)), key=_rank):
        values = [_image_name(told.get(place, "")) for told in said]
        if reason := _set_aside(place, values, stems):
            notes.append(f"{place} {reason}; it does not group the pairs, unless you say so: group={place!r} (--group)")
        else:
            found.append((place, values))
    for place, values in sorted(found, key=lambda item: len(set(item[1])) == len(ids)):
        if lacking := sum(not value for value in values):
            notes.append(f"{lacking} of {len(ids)} files do not say {place}; those are grouped by their names")
        return Images([value or stem for value, stem in zip(values, stems, strict=True)], place, notes)
    return Images(stems, BY_NAME, notes)


def _rank(place: str) -> tuple[int, int]:
    """Where a place stands among `IMAGE_WORDS`, the outermost of one word first."""
    word = place.split(".")[-1].lower()
    return (IMAGE_WORDS.index(word) if word in IMAGE_WORDS else len(IMAGE_WORDS), place.count("."))


def _set_aside(place: str, values: Sequence[str], stems: Sequence[str]) -> str:
    """Why what files say is no name of an image; '' where it is one."""
    said, images = [value for value in values if value], len(set(stems))
    different = len(set(said))
    if 2 * len(said) < len(values):
        return f"is said by {len(said)} of {len(values)} files alone"
    if different == 1 < images:
        return f"is the same in all files ({said[0]!r})"
    if different == len(values) > images:
        return f"differs in all {len(values)} files, where their names say {images} images"
    if place.split(".")[-1].lower() == "source" and different * MOST_OF_A_SOURCE < len(values):
        return f"says {different} things in {len(values)} files"
    return ""


def _named(group: str, stems: Sequence[str], said: Sequence[dict[str, str]], places: Sequence[str]) -> Images:
    found = [place for place in places if place == group or place.split(".")[-1] == group]
    if not found:
        raise DataError(f"group='{group}' (--group): no file says it; {nearest(group, [BY_NAME, *places])}")
    place = min(found, key=lambda name: (name != group, name.count(".")))
    names = [_image_name(told.get(place, "")) for told in said]
    bad = {row: f"does not say {place}, by which pairs are grouped" for row, name in enumerate(names) if not name}
    return Images([name or stem for name, stem in zip(names, stems, strict=True)], place, bad=bad)


def _image_name(value: str) -> str:
    """What a file says; a path that names a layer without that and its suffix."""
    path = Path(value.replace("\\", "/"))
    if (len(path.parts) == 1 and path.suffix.lower() not in SUFFIXES) or not layer_of(path):
        return value
    return stem_of(path if path.suffix.lower() in SUFFIXES else Path(f"{path}.pt"))
