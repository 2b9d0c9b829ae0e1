"""Which images a detection set has, with their boxes and parts: the one place that tells its format."""

from pathlib import Path

from learnerkit.core.errors import DataError
from learnerkit.data.walk import files_below, folders_in, part_of_name
from learnerkit.detect.data.coco_sets import is_coco, list_coco
from learnerkit.detect.data.modalities import joined, modality_folders
from learnerkit.detect.data.table import Listing
from learnerkit.detect.data.voc import is_voc, list_voc
from learnerkit.detect.data.yolo_sets import LABELS, is_yolo, list_yolo

EXPECTED = (
    "images/ with labels/ (YOLO), a data.yaml, COCO annotations (JSON), Pascal VOC (XML), or folders of modalities "
    "with labels/"
)


def is_detection(path: Path) -> bool:
    """Whether a path is a detection set of any format."""
    if not path.exists():
        return False
    return is_yolo(path) or is_coco(path) or is_voc(path) or _are_modalities(path)


def _are_modalities(path: Path) -> bool:
    return path.is_dir() and (_labelled(path) or is_coco(path) or _holds_xml(path)) and _modalities(path) != {}


def _modalities(path: Path) -> dict[str, Path]:
    folders = modality_folders(path)
    return {} if any(part_of_name(name) for name in folders) else folders


def _labelled(path: Path) -> bool:
    return (path / LABELS).is_dir() and bool(files_below(path / LABELS, {".txt"}))


def _holds_xml(path: Path) -> bool:
    return any(files_below(folder, {".xml"}) for folder in folders_in(path) if folder.name.lower() == "annotations")


def _list_modalities(path: Path, polygons: bool) -> Listing:
    folders = _modalities(path)
    first = next(iter(folders.values()))
    if _labelled(path):
        listing = list_yolo(path, polygons, first)
    else:
        listing = list_coco(path, first) if is_coco(path) else list_voc(path, first)
    listing.images, faults, notes = joined(path, folders, listing.images)
    listing.faults += faults
    listing.notes += notes
    listing.modalities = tuple(folders)
    return listing


def list_detection(path: Path, polygons: bool = False) -> Listing:
    """The images of a detection set; DataError when `path` holds none.

    path: a folder, a COCO annotation file, or a data.yaml; polygons: see `yolo.are_polygons`.
    """
    if _are_modalities(path):
        return _list_modalities(path, polygons)
    if path.is_file() and path.suffix.lower() == ".json":
        return list_coco(path)
    if is_yolo(path):
        return list_yolo(path, polygons)
    if is_coco(path):
        return list_coco(path)
    if is_voc(path):
        return list_voc(path)
    raise DataError(f"{path}: is no detection set. Expected {EXPECTED}")
