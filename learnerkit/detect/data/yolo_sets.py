"""The images of a YOLO set: by a data.yaml, by images/ beside labels/, by parts above them, or labels beside images.

Layouts: docs.ultralytics.com/datasets/detect, Roboflow's YOLO exports, darknet.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from learnerkit.core.errors import DataError
from learnerkit.core.files import read_yaml
from learnerkit.core.text import some
from learnerkit.data.faults import Fault
from learnerkit.data.walk import files_below, files_in, folders_in, part_of_name
from learnerkit.detect.data.frames import SUFFIXES
from learnerkit.detect.data.names import LISTS, class_names, description_of, read_lines
from learnerkit.detect.data.table import Finder, Listed, Listing, name_below
from learnerkit.detect.data.yolo import are_polygons, open_label, read_label

PARTS = {"train": "train", "val": "valid", "test": "test"}  # keys of a data.yaml
IMAGES, LABELS = "images", "labels"


def is_yolo(path: Path) -> bool:
    """Whether a path is a YOLO set, from the names of its files alone."""
    if path.is_file():
        return path.suffix.lower() in (".yaml", ".yml")
    inside = [path, *folders_in(path)]
    if any((place / IMAGES).is_dir() and _holds_labels(place / LABELS) for place in inside):
        return True
    return any(_beside(place) for place in inside)


def _holds_labels(folder: Path) -> bool:
    """Whether a folder has label files, or nothing at all; masks are none."""
    return folder.is_dir() and (bool(files_below(folder, {".txt"})) or not files_below(folder))


def _beside(folder: Path) -> bool:
    """Whether most pictures directly in a folder have a text file of their name beside them, as darknet has it."""
    pictures = files_in(folder, SUFFIXES)
    labelled = sum(file.with_suffix(".txt").is_file() for file in pictures[:50])
    return labelled > len(pictures[:50]) / 2


def label_of(image: Path, images_in: Path | None = None) -> Path:
    """Where an image's label lies: in labels/ in place of the last images/ of its path, else beside it.

    images_in: a folder that stands for images/.
    """
    if images_in is not None:
        return (images_in.parent / LABELS / image.relative_to(images_in)).with_suffix(".txt")
    places = list(image.parts)
    at = next((n for n in range(len(places) - 2, -1, -1) if places[n].lower() == IMAGES), None)
    if at is not None:
        places[at] = LABELS if places[at].islower() else LABELS.capitalize()
    return Path(*places).with_suffix(".txt")


def list_yolo(path: Path, polygons: bool = False, images_in: Path | None = None) -> Listing:
    """The images of a YOLO set with their labels and parts.

    path: its folder, or its data.yaml; polygons: see `yolo.are_polygons`.
    images_in: the folder whose images labels/ beside it are of, where that is not called images/.
    """
    file = description_of(path)
    root = path.parent if path.is_file() else path
    described = (file, read_yaml(file)) if file is not None else None
    if described is not None and set(PARTS) & set(described[1]) and images_in is None:
        base, images, faults, notes = _described(*described)
        root = base
    else:
        images, faults, notes = _found(root, images_in)
    vocab = class_names([root, *(folder for folder in folders_in(root) if folder.name.lower() != IMAGES)], described)
    places = {image: label_of(image, images_in) for image in images}
    kept, twice = _one_a_label(images, places, root)
    labels = {image: open_label(places[image], name_below(places[image], root)) for image in kept}
    boxed, said = are_polygons([label for label in labels.values() if label is not None], root, polygons)
    n_classes = None if vocab is None else len(vocab)
    listed = [
        Listed(
            (image,),
            name_below(image, root),
            partial(_read, labels[image], n_classes, boxed),
            kept[image],
            name_below(places[image], root),
        )
        for image in sorted(kept)
    ]
    faults = [*twice, *faults, *_orphans(places, root)]
    return Listing(root, listed, vocab, faults, notes + said)


def _read(label: Any, n_classes: int | None, polygons: bool, size: tuple[int, int], clip: bool) -> Any:
    return read_label(label, size, clip, n_classes, polygons)


def _one_a_label(images: dict[Path, str], places: dict[Path, Path], root: Path) -> tuple[dict[Path, str], list[Fault]]:
    """Images by their part, and a fault for each that shares its label with another.

    places: where the label of each lies.
    """
    kept, faults, seen = {}, [], {}
    for image in sorted(images):
        first = seen.setdefault(places[image], image)
        if first == image:
            kept[image] = images[image]
        else:
            faults.append(
                Fault(name_below(image, root), f"has the same name as {first.name}; one image a label is needed")
            )
    return kept, faults


def _orphans(places: dict[Path, Path], root: Path) -> list[Fault]:
    """A fault for each label in a labels/ folder that no image has.

    places: where the label of each image lies.
    """
    folders = {label.parent for image, label in places.items() if label.parent != image.parent}
    texts = {text for folder in folders if folder.is_dir() for text in files_in(folder, {".txt"})}
    if (root / LABELS).is_dir():
        texts |= set(files_below(root / LABELS, {".txt"}))
    lonely = sorted(text for text in texts - set(places.values()) if text.name not in LISTS)
    every = {label_of(file) for file in files_below(root, SUFFIXES)} if lonely else set()  # of images left out, too
    reason = f"has no image in images/ ({', '.join(sorted(SUFFIXES))})"
    return [Fault(name_below(text, root), reason, samples=0) for text in lonely if text not in every]


def _found(root: Path, images_in: Path | None) -> tuple[dict[Path, str], list[Fault], list[str]]:
    """Images by part as folders and lists say them, faults of the lists, and notes."""
    parted = [folder for folder in folders_in(root) if (folder / IMAGES).is_dir()]
    if images_in is not None:
        files = files_below(images_in, SUFFIXES)
    elif (root / IMAGES).is_dir():
        files = files_below(root / IMAGES, SUFFIXES)
    elif parted:
        files = [file for folder in parted for file in files_below(folder / IMAGES, SUFFIXES)]
    else:
        files = [file for folder in (root, *folders_in(root)) for file in files_below(folder, SUFFIXES)]
        files = sorted(set(files))
    images = {file: _part_by_folder(file, root) for file in files}
    lists = {file: part for file in files_in(root, {".txt"}) if (part := part_of_name(file.stem))}
    if not lists:
        return images, [], []
    images = dict.fromkeys(images, "")
    faults = _from_lists(lists, images, Finder(list(images), root), root)
    return images, faults, []


def _part_by_folder(file: Path, root: Path) -> str:
    words = file.relative_to(root).parts[:-1]
    return next((part for word in words if (part := part_of_name(word))), "")


def _from_lists(
    lists: dict[Path, str], images: dict[Path, str], find: Callable[[str], Path | str], root: Path
) -> list[Fault]:
    """Enter the parts of lists of images; what they say wrongly is a fault."""
    faults: list[Fault] = []
    named: dict[Path, str] = {}
    for file, part in lists.items():
        for number, line in enumerate(read_lines(file), 1):
            if not line.strip():
                continue
            word, place = line.strip().replace("\\", "/"), f"line {number}"
            image = find(word)
            if isinstance(image, str):
                faults.append(Fault(name_below(file, root), f"'{word}' {image}", place, samples=0))
            elif image in named:
                faults.append(
                    Fault(name_below(file, root), f"'{word}' stands in {named[image]} already", place, samples=0)
                )
            else:
                images[image], named[image] = part, f"{file.name} {place}"
    return faults


def _described(file: Path, described: dict[str, Any]) -> tuple[Path, dict[Path, str], list[Fault], list[str]]:
    """The folder of a described set, its images by part, faults of its lists, and notes."""
    base, notes = _base(file, described.get("path"))
    images: dict[Path, str] = {}
    faults: list[Fault] = []
    said: dict[Path, str] = {}
    for key, part in PARTS.items():
        given = described.get(key)
        entries = given if isinstance(given, list) else [given] if given else []
        for entry in entries:
            place, guessed = _place(str(entry), key, base, file)
            notes += guessed
            if place.is_dir():
                found = files_below(place, SUFFIXES)
            else:
                every = files_below(base, SUFFIXES)
                found, faults_of = _listed(place, every, base)
                faults += faults_of
            if not found:
                raise DataError(f"{file}: {key}: {entry} holds no picture")
            for image in found:
                if said.setdefault(image, part) != part:
                    raise DataError(f"{file}: {name_below(image, base)} stands in both {said[image]} and {part}")
                images[image] = part
    aside = [image for image in _labelled(base) if image not in images]
    if aside:
        names = some([name_below(image, base) for image in aside])
        notes.append(f"{len(aside):,} image(s) stand in no part of {file.name}, left out: {names}")
    return base, images, faults, notes


def _labelled(base: Path) -> list[Path]:
    return [image for image in files_below(base, SUFFIXES) if label_of(image).is_file()]


def _listed(file: Path, every: list[Path], base: Path) -> tuple[list[Path], list[Fault]]:
    """The images of a list file; a line that names none is a fault."""
    images: dict[Path, str] = {}
    beside = {image.resolve(): image for image in every}
    find = Finder(every, base)

    def found(word: str) -> Path | str:
        place = (file.parent / word).resolve()
        return beside.get(place) or (place if place.is_file() else find(word.removeprefix("./")))

    faults = _from_lists({file: "listed"}, images, found, base)
    return list(images), faults


def _base(file: Path, path: Any) -> tuple[Path, list[str]]:
    """The folder that a description's paths are relative to, and what had to be guessed of it."""
    if path in (None, "", "."):
        return file.parent, []
    if not isinstance(path, str):
        raise DataError(f"{file}: path is {path!r}; a folder is needed")
    given = Path(path)
    for place in (file.parent / given, file.parent.parent / given):
        if place.is_dir():
            return place, []
    if given.name == file.parent.name or given.name == "..":
        return file.parent, []
    return file.parent, [
        f"its {file.name} says path: {path}, which is not here; paths are taken from {file.parent.name}/"
    ]


def _place(entry: str, key: str, base: Path, file: Path) -> tuple[Path, list[str]]:
    """The folder or list that a description means, and what had to be guessed."""
    word = entry.replace("\\", "/")
    for place in (base / word, file.parent / word, base / word.removeprefix("../")):
        if place.exists():
            return place, []
    tail = [part for part in Path(word).parts if part not in ("..", "/")]
    for start in range(1, len(tail)):  # of another machine: what of its end is here
        place = base.joinpath(*tail[start:])
        if place.exists():
            return place, [
                f"its {file.name} says {key}: {entry}, which is not here; {name_below(place, base)} is taken"
            ]
    raise DataError(f"{file}: {key}: {entry} is not there, nor below {base}; mend the path, or leave {key} out")
