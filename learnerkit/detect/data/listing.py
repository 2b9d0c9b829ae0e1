"""Which images a detection set has, with their boxes and parts: the one place that tells its format."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from learnerkit.core.errors import DataError
from learnerkit.core.text import some
from learnerkit.data.walk import files_below, folders_in, holds, part_of_name, parts_among
from learnerkit.detect.data.coco_sets import FOLDERS, is_coco, list_coco
from learnerkit.detect.data.described import IMAGES, LABELS
from learnerkit.detect.data.modalities import is_known, joined, modality_folders
from learnerkit.detect.data.names import class_names
from learnerkit.detect.data.table import Listing, inside, left_out, name_below
from learnerkit.detect.data.voc import is_voc, list_voc
from learnerkit.detect.data.yolo_sets import is_yolo, list_yolo

Reader = Callable[[Path, bool], Listing]
MOST_WRAPPED = 5  # folders around a set
EXPECTED = (
    "images/ with labels/ (YOLO), a data.yaml, COCO annotations (JSON), Pascal VOC (XML), or folders of modalities "
    "with labels/"
)


def is_detection(path: Path) -> bool:
    """Whether a path is a detection set of any format, or the one folder around such a set."""
    return path.exists() and _located(path)[1] is not None


def list_detection(path: Path, polygons: bool = False) -> Listing:
    """The images of a detection set; DataError when `path` holds none.

    path: a folder, a COCO annotation file, or a data.yaml; polygons: see `yolo.are_polygons`.
    """
    place, read = _located(path)
    if read is None:
        inner = [f"{folder.name}/" for folder in folders_in(path)] if path.is_dir() else []
        found = f" It holds {some(inner)}." if inner else ""
        raise DataError(
            f"{path}: is no detection set.{found} Expected {EXPECTED}; annotations and images in one folder"
        )
    listing = read(place, polygons)
    if place != path:
        listing.notes.append(f"the set is looked for in {name_below(place, path)}/")
    return listing


def _located(path: Path) -> tuple[Path, Reader | None]:
    """The folder of a set, past single folders around it, and the reader of its format; None where there is none."""
    place = path
    for _ in range(MOST_WRAPPED):
        if (read := _format_of(place)) is not None:
            return place, read
        inner = folders_in(place) if place.is_dir() else []
        if len(inner) != 1:
            break
        place = inner[0]
    return path, None


def _format_of(path: Path) -> Reader | None:
    """The reader of a path's format, None where it has none."""
    if _are_modalities(path):
        return _list_modalities
    if path.is_dir() and len(parted := _parts_of_modalities(path)) > 1:
        return partial(_list_parts, parts=parted)
    if path.is_dir():
        _refuse_sets_of_modalities(path)
    if is_yolo(path) and path.suffix.lower() != ".json":
        return list_yolo
    if is_coco(path) or path.suffix.lower() == ".json":
        return lambda path, polygons: list_coco(path)
    return (lambda path, polygons: list_voc(path)) if is_voc(path) else None


def _are_modalities(path: Path) -> bool:
    return path.is_dir() and (_labelled(path) or is_coco(path) or _holds_xml(path)) and _modalities(path) != {}


def _modalities(path: Path) -> dict[str, Path]:
    folders = modality_folders(path)
    return {} if any(part_of_name(name) for name in folders) else folders


def _labelled(path: Path) -> bool:
    return inside(path, LABELS).is_dir() and holds(inside(path, LABELS), {".txt"})


def _holds_xml(path: Path) -> bool:
    return any(holds(folder, {".xml"}) for folder in folders_in(path) if folder.name.lower() in FOLDERS)


def _parts_of_modalities(path: Path) -> dict[Path, str]:
    """Folders of parts that each hold modalities and labels: `train/rgb`, `train/thermal`, `train/labels`."""
    said = parts_among([folder.name for folder in folders_in(path)])
    return {path / name: part for name, part in said.items() if _are_modalities(path / name)}


def _refuse_sets_of_modalities(path: Path) -> None:
    images, labels = (inside(path, name) for name in (IMAGES, LABELS))
    inner = [folder.name for folder in folders_in(images) if is_known(folder.name)] if images.is_dir() else []
    labelled = {folder.name for folder in folders_in(labels)} if labels.is_dir() else set()
    if len(inner) > 1 and not labelled & set(inner):
        raise DataError(
            f"{path}: {images.name}/ holds modalities ({some(inner)}); move them beside labels/ for one set of all "
            "channels"
        )
    known = [folder for folder in folders_in(path) if is_known(folder.name)]
    whole = [folder for folder in known if inside(folder, IMAGES).is_dir() and inside(folder, LABELS).is_dir()]
    if len(whole) > 1:
        names = some([f"{folder.name}/" for folder in whole])
        raise DataError(
            f"{path}: {names} are modalities with labels each; views of one scene would be taken for several frames. "
            f"Put the pictures into {names} themselves and one labels/ beside them, or give one of them as the path"
        )


def _list_parts(path: Path, polygons: bool, parts: dict[Path, str]) -> Listing:
    """Parts of modalities as one set; DataError where they differ in their modalities or names of classes."""
    listings = {folder: _list_modalities(folder, polygons) for folder in parts}
    first, *others = listings.values()
    for other in others:
        if (other.modalities, other.vocab) != (first.modalities, first.vocab):
            raise DataError(
                f"{other.root}: has other modalities or class names than {first.root.name}/; they must agree"
            )
    vocab = class_names([path]) if first.vocab is None else first.vocab
    merged = Listing(path, [], vocab, modalities=first.modalities)
    for folder, listing in listings.items():
        for item in listing.images:
            item.name, item.part = f"{folder.name}/{item.name}", parts[folder]
            merged.images.append(item)
        merged.faults += [replace(fault, file=f"{folder.name}/{fault.file}") for fault in listing.faults]
        merged.notes += listing.notes
    return merged


def _list_modalities(path: Path, polygons: bool) -> Listing:
    folders = _modalities(path)
    first = next(iter(folders.values()))
    if _labelled(path):
        listing = list_yolo(path, polygons, first)
    else:
        listing = list_coco(path, first) if is_coco(path) else list_voc(path, first)
    listing.images, faults, notes = joined(path, folders, listing.images)
    listing.faults += faults
    told = [file for folder in folders.values() for file in files_below(folder)]
    listing.notes += [*notes, *left_out(path, (), told)]
    listing.modalities = tuple(folders)
    return listing
