"""The images of a YOLO set: by a data.yaml, by images/ beside labels/, by parts above them, or labels beside images.

Layouts: docs.ultralytics.com/datasets/detect, Roboflow's YOLO exports, darknet.
"""

from functools import partial
from pathlib import Path

from learnerkit.core.files import read_yaml
from learnerkit.data.faults import Fault
from learnerkit.data.walk import files_below, files_in, folders_in, holds, parts_among, parts_by_folder
from learnerkit.detect.data.described import IMAGES, LABELS, PARTS, described_images, from_lists, label_of
from learnerkit.detect.data.frames import KINDS, SUFFIXES
from learnerkit.detect.data.names import LISTS, WORDS, class_names, description_of, read_lines
from learnerkit.detect.data.table import Finder, Listed, Listing, inside, left_out, name_below
from learnerkit.detect.data.yolo import are_polygons, open_label, read_label, without_keypoints


def is_yolo(path: Path) -> bool:
    """Whether a path is a YOLO set, from the names of its files alone."""
    if path.is_file():
        return path.suffix.lower() in (".yaml", ".yml")
    places = [path, *folders_in(path)]
    if any(inside(place, IMAGES).is_dir() and _holds_labels(inside(place, LABELS)) for place in places):
        return True
    return any(_beside(place) for place in places)


def _holds_labels(folder: Path) -> bool:
    """Whether a folder has label files, or nothing at all; masks are none."""
    return folder.is_dir() and (holds(folder, {".txt"}) or not holds(folder))


def _beside(folder: Path) -> bool:
    """Whether most pictures directly in a folder have a text file of their name beside them, as darknet has it."""
    pictures = files_in(folder, SUFFIXES)
    labelled = sum(file.with_suffix(".txt").is_file() for file in pictures[:50])
    return labelled > len(pictures[:50]) / 2


def list_yolo(path: Path, polygons: bool = False, images_in: Path | None = None) -> Listing:
    """The images of a YOLO set with their labels and parts.

    path: its folder, or its data.yaml; polygons: see `yolo.are_polygons`.
    images_in: the folder whose images labels/ beside it are of, where that is not called images/.
    """
    file = description_of(path)
    root = path.parent if path.is_file() else path
    described = (file, read_yaml(file, WORDS)) if file is not None else None
    if described is not None and set(PARTS) & set(described[1]) and images_in is None:
        base, images, faults, notes = described_images(*described)
        root = base
    else:
        images, faults, notes = _found(root, images_in)
    vocab = class_names([root, *(folder for folder in folders_in(root) if folder.name.lower() != IMAGES)], described)
    places = {image: label_of(image, root, images_in) for image in images}
    kept, twice = _one_a_label(images, places, root)
    labels = {image: open_label(places[image], name_below(places[image], root)) for image in kept}
    if described is not None and "kpt_shape" in described[1]:
        notes = [*notes, *without_keypoints([label for label in labels.values() if label is not None], *described)]
    boxed, said = are_polygons([label for label in labels.values() if label is not None], root, polygons)
    n_classes = None if vocab is None else len(vocab)
    listed = [
        Listed(
            (image,),
            name_below(image, root),
            partial(read_label, labels[image], n_classes=n_classes, polygons=boxed),
            kept[image],
            name_below(places[image], root),
        )
        for image in sorted(kept)
    ]
    faults = [*twice, *faults, *_orphans(places, root)]
    aside = [] if images_in is not None else left_out(root, images)
    return Listing(root, listed, vocab, faults, notes + said + aside)


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
    if inside(root, LABELS).is_dir():
        texts |= set(files_below(inside(root, LABELS), {".txt"}))
    lonely = sorted(text for text in texts - set(places.values()) if text.name not in LISTS)
    every = (
        {label_of(file, root) for file in files_below(root, SUFFIXES)} if lonely else set()
    )  # of images left out, too
    reason = f"has no image in images/ ({KINDS})"
    return [Fault(name_below(text, root), reason, samples=0) for text in lonely if text not in every]


def _found(root: Path, images_in: Path | None) -> tuple[dict[Path, str], list[Fault], list[str]]:
    """Images by part as folders and lists say them, faults of the lists, and notes."""
    parted = [folder for folder in folders_in(root) if inside(folder, IMAGES).is_dir()]
    if images_in is not None:
        files = files_below(images_in, SUFFIXES)
    elif inside(root, IMAGES).is_dir():
        files = files_below(inside(root, IMAGES), SUFFIXES)
    elif parted:
        files = [file for folder in parted for file in files_below(inside(folder, IMAGES), SUFFIXES)]
    else:
        files = [file for folder in (root, *folders_in(root)) for file in files_below(folder, SUFFIXES)]
        files = sorted(set(files))
    images = parts_by_folder(files, root)
    lists = part_lists(root, set(files))
    if not lists:
        return images, [], []
    images = dict.fromkeys(images, "")
    faults = from_lists(lists, images, Finder(list(images), root), root)
    return images, faults, []


def part_lists(root: Path, images: set[Path]) -> dict[Path, str]:
    """The lists of a set's parts: text files that say one by their name, or what a darknet's *.data calls so.

    images: of the set; a text file of one's name is its label.
    """
    places = [root, *(folder for folder in (root / "ImageSets", root / "ImageSets" / "Main") if folder.is_dir())]
    labels = {image.with_suffix(".txt") for image in images}
    texts = [file for place in places for file in files_in(place, {".txt"}) if file not in labels]
    said = parts_among([file.stem for file in texts])
    lists = {file: said[file.stem] for file in texts if file.stem in said}
    for file in files_in(root, {".data"}):
        for line in read_lines(file):
            key, _, value = (word.strip() for word in line.partition("="))
            named = next((text for text in texts if text.name == Path(value).name), None)
            if key in PARTS and named is not None:
                lists[named] = PARTS[key]
    return lists
