"""Folders that look like classes and are none: parts without classes, folds, variants of one set, modalities, masks."""

from pathlib import Path

from learnerkit.core.errors import DataError
from learnerkit.core.text import some, words
from learnerkit.data.pictures import SUFFIXES
from learnerkit.data.walk import COMPANIONS, FOLD, IMAGES, files_below, folders_in, holds, parts_among

MODALITIES = words(
    """rgb colour color visible vis thermal ir infrared lwir nir swir depth event events dvs radar lidar disparity
    polarisation polarization"""
)
VARIANTS = words(
    """original originals augmented raw processed preprocessed grayscale greyscale gray grey segmented cropped resized
    enhanced noisy clean lowres highres lr hr query gallery"""
)


def below(folder: Path) -> list[Path]:
    """The pictures in a folder and below it."""
    return files_below(folder, SUFFIXES)


def refuse_flat_parts(root: Path, base: Path, flat: list[Path], others: list[Path]) -> None:
    """DataError where folders that say parts hold pictures without class folders.

    flat: those folders; others: the folders beside them, which say no part.
    """
    filled = [folder for folder in others if holds(folder, SUFFIXES)]
    if len(flat) > 1 or (flat and not filled):
        names = " and ".join(f"{folder.name}/ ({len(below(folder))} pictures)" for folder in flat)
        raise DataError(
            f"{root}: {names} say parts of a set, not classes, and hold pictures without class folders. A classifier "
            f"needs {flat[0].name}/CLASS/*.jpg; unlabelled pictures can be predicted by a finished run "
            "(`learnerkit evaluate RUN --data FOLDER`)"
        )
    if len(flat) == 1 and len(filled) == 1:
        raise DataError(
            f"{base}: {flat[0].name}/ says a part of a set and {filled[0].name}/ says none; they look like no two "
            "classes. Name the parts train/ and test/, with class folders in each"
        )


def refuse_others(root: Path, tops: list[Path]) -> None:
    """DataError where the folders are folds, variants, modalities, or images beside what describes them."""
    names = [folder.name for folder in tops]
    if len(tops) > 1 and all(FOLD.search(name) for name in names):
        raise DataError(
            f"{root}: {some(names)} look like folds of a cross-validation or batches of one set, not like classes. "
            f"Make train/ and valid/ of them (links will do), such as valid/ of {names[0]} and train/ of the others"
        )
    inner = [{entry.name for entry in folders_in(folder) if holds(entry, SUFFIXES)} for folder in tops]
    alike = len(tops) > 1 and len(inner[0]) > 1 and all(held == inner[0] for held in inner)
    if alike and not parts_among(sorted(inner[0])) and not {name.lower() for name in inner[0]} & (IMAGES | COMPANIONS):
        raise DataError(
            f"{root}: {some(names)} hold the same folders ({some(sorted(inner[0]))}): variants or pieces of one set, "
            "not classes. Give one of them as the path, or call them train/ and test/"
        )
    if len(tops) > 1 and all(name.lower() in VARIANTS for name in names):
        raise DataError(
            f"{root}: {some(names)} look like variants of one set, not like classes. Give one of them as the path"
        )
    if len(tops) > 1 and all(name.lower() in MODALITIES for name in names):
        raise DataError(
            f"{root}: {some(names)} look like modalities of one scene, not like classes. With labels/ beside them they "
            "are a set of frames (detection_dls); combine_modalities makes one array of them"
        )
    if len(tops) > 1 and all(name.lower() in IMAGES | COMPANIONS for name in names):
        raise DataError(f"{root}: {some(names)} look like images and what describes them, not like classes")
