"""Folders of modalities (rgb/, thermal/, or any names) with equal names of files: a set of frames of many channels."""

from pathlib import Path

from learnerkit.core.errors import DataError
from learnerkit.core.text import some, words
from learnerkit.data.faults import Fault
from learnerkit.data.walk import COMPANIONS, files_below, folders_in
from learnerkit.detect.data.frames import SUFFIXES
from learnerkit.detect.data.table import Listed

COLOURS = words("rgb colour color visible vis visual images image img jpegimages")
ORDER = ("thermal", "t", "ir", "infrared", "lwir", "nir", "depth", "event", "events", "dvs")
ALIKE = 0.5  # share of names that folders of one scene have in common


def modality_folders(root: Path) -> dict[str, Path]:
    """The folders of modalities of a set by their names, RGB first; {} where there are not two.

    Folders that are called so are; others where most names of their files are those of the fullest one. Masks and other
    companions of images are none.
    """
    names = {folder: set(_keys(folder)) for folder in folders_in(root) if not _is_companion(folder.name)}
    filled = {folder: keys for folder, keys in names.items() if keys}
    known = [folder for folder in filled if folder.name.lower() in COLOURS | set(ORDER)]
    fullest = max((known if len(known) > 1 else filled), key=lambda folder: len(filled[folder]), default=None)
    alike = [
        folder
        for folder, keys in filled.items()
        if (folder in known and len(known) > 1) or len(keys & filled[fullest]) >= ALIKE * len(filled[fullest])
    ]
    return {folder.name: folder for folder in sorted(alike, key=_place)} if len(alike) > 1 else {}


def is_known(name: str) -> bool:
    """Whether a folder's name is a modality's."""
    return name.lower() in COLOURS | set(ORDER)


def _is_companion(name: str) -> bool:
    return name.lower() in COMPANIONS or name.lower().startswith("segmentation")


def _place(folder: Path) -> tuple[int, int, str]:
    name = folder.name.lower()
    return (name not in COLOURS, ORDER.index(name) if name in ORDER else len(ORDER), name)


def _keys(folder: Path) -> dict[str, Path]:
    """Files below a folder by their path without suffix."""
    return {str(file.relative_to(folder).with_suffix("")): file for file in files_below(folder, SUFFIXES)}


def joined(root: Path, folders: dict[str, Path], listed: list[Listed]) -> tuple[list[Listed], list[Fault], list[str]]:
    """Images of the first modality with the files of the others, a fault for each that lacks one, and notes.

    listed: the images of the first folder, with their labels.
    """
    first, *others = folders
    keys = {name: _keys(folder) for name, folder in folders.items()}
    by_file = {file: key for key, file in keys[first].items()}
    kept, faults = [], []
    for item in listed:
        key = by_file.get(item.files[0])
        if key is None:
            raise DataError(f"{root}: {item.name} is labelled and lies in none of {some(list(folders))}")
        lacking = [name for name in others if key not in keys[name]]
        if lacking:
            faults.append(Fault(item.name, f"is missing in {some([f'{name}/' for name in lacking])}"))
            continue
        item.files = tuple(keys[name][key] for name in folders)
        kept.append(item)
    for name in others:
        alone = sorted(set(keys[name]) - set(keys[first]))
        faults += [Fault(f"{name}/{key}", f"is missing in {first}/") for key in alone]
    notes = []
    if not all(map(is_known, folders)):
        notes.append(f"its channels are taken in the order {', '.join(folders)}, by their names")
    return kept, faults, notes
