"""Where the classes and parts of a folder of pictures are: `ROOT/CLASS` or `ROOT/PART/CLASS`.

Two folders whose names say parts are never classes, nor are masks beside images; what cannot be told is refused.
"""

from dataclasses import dataclass, field
from pathlib import Path

from learnerkit.core.errors import DataError
from learnerkit.core.text import some, words
from learnerkit.data.pictures import SUFFIXES
from learnerkit.data.walk import FOLD, files_below, files_in, folders_in, is_ignored, part_of_name, parts_among

IMAGES = words("""images image imgs img jpegimages pictures pics photos""")
# what stands beside images and is no image to learn
COMPANIONS = words(
    """masks mask labels label annotations annotation segmentation segmentations segmentationclass segmentationobject
    gt groundtruth ground_truth targets trimaps contours overlays heatmaps"""
)
MASK_ENDINGS = ("_mask", "-mask", "_masks", "_seg", "_segmentation", "_gt", "_label", "_annotation")
MODALITIES = words(
    """rgb colour color visible vis thermal ir infrared lwir nir swir depth event events dvs radar lidar disparity
    polarisation polarization"""
)


@dataclass
class Layout:
    """The class folders of a set.

    folders: (folder, class, part) each; part is '' where the names say none.
    pictures: the pictures of each of them. left: why some pictures belong to no class, with those pictures.
    notes: what was guessed.
    """

    folders: list[tuple[Path, str, str]] = field(default_factory=list)
    pictures: list[list[Path]] = field(default_factory=list)
    left: list[tuple[str, list[Path]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_layout(root: Path, known: frozenset[str] = frozenset()) -> Layout:
    """The class folders below `root`; DataError where its names say that they are something else.

    known: names of the classes, where they are to be measured alone: no train part is needed then.
    """
    layout = Layout()
    base = _unwrapped(root, root, known, layout)
    tops = folders_in(base)
    parts = parts_among([folder.name for folder in tops])
    named = [folder for folder in tops if folder.name in parts]
    labelled = [folder for folder in named if _holds_classes(folder)]
    flat = [folder for folder in named if folder not in labelled and below(folder)]
    if not labelled:
        _refuse_flat_parts(root, base, flat, [folder for folder in tops if folder not in named])
        _refuse_others(root, tops)
        unlabelled = [folder for folder in flat if parts[folder.name] != "train"]
        for folder in unlabelled:
            layout.left.append((f"in {folder.name}/ without a class, kept for `predict`", below(folder)))
        if flat and not unlabelled:
            layout.notes.append(f"{flat[0].name}/ holds pictures itself and is taken for a class")
        _add_classes(layout, base, "", [folder for folder in tops if folder not in unlabelled])
    else:
        _add_parts(root, layout, base, {folder: parts[folder.name] for folder in labelled}, flat, known)
        strange = [folder for folder in tops if folder not in labelled and folder not in flat and below(folder)]
        for folder in strange:
            layout.left.append((f"in {folder.name}/, which names no part", below(folder)))
        if stray := files_in(base, SUFFIXES):
            layout.left.append((f"directly in {base.name}/, of no class", stray))
    _list_pictures(layout)
    return layout


def below(folder: Path) -> list[Path]:
    """The pictures in a folder and below it."""
    return files_below(folder, SUFFIXES)


def _holds_classes(folder: Path) -> bool:
    return any(below(inner) for inner in folders_in(folder))


def _unwrapped(root: Path, base: Path, known: frozenset[str], layout: Layout, part: str = "") -> Path:
    """The folder that holds the classes or parts: past a single folder around them, and past images/ beside masks/.

    part: that `base` says itself.
    """
    while True:
        inner = folders_in(base)
        images = [folder for folder in inner if folder.name.lower() in IMAGES]
        companions = [folder for folder in inner if folder.name.lower() in COMPANIONS]
        if len(images) == 1 and companions and len(inner) == 1 + len(companions):
            if not _holds_classes(images[0]):
                raise DataError(
                    f"{base}: {images[0].name}/ beside {some([folder.name + '/' for folder in companions])} holds "
                    "pictures without class folders; a classifier needs one folder a class "
                    f"({images[0].name}/CLASS/*.jpg). Masks and boxes are no classes."
                )
            for folder in companions:
                if pictures := below(folder):
                    layout.left.append((f"in {folder.relative_to(root)}/, beside {images[0].name}/", pictures))
            base = images[0]
        elif _is_wrapped(base, inner, part) and inner[0].name not in known:
            base = inner[0]
            if not part:
                layout.notes.append(f"the classes are looked for in {base.relative_to(root)}/")
        else:
            return base


def _is_wrapped(base: Path, inner: list[Path], part: str) -> bool:
    """Whether a lone folder stands around classes or parts, and is none itself."""
    return (
        len(inner) == 1
        and part_of_name(inner[0].name) in ("", part)
        and not files_in(base, SUFFIXES)
        and not files_in(inner[0], SUFFIXES)
        and _holds_classes(inner[0])
    )


def _refuse_flat_parts(root: Path, base: Path, flat: list[Path], others: list[Path]) -> None:
    filled = [folder for folder in others if below(folder)]
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


def _refuse_others(root: Path, tops: list[Path]) -> None:
    """DataError where the folders are folds, modalities, or images beside what describes them."""
    names = [folder.name for folder in tops]
    if len(tops) > 1 and all(FOLD.fullmatch(name) for name in names):
        raise DataError(
            f"{root}: {some(names)} look like folds of a cross-validation, not like classes. Make train/ and valid/ of "
            f"them (links will do), such as valid/ of {names[0]} and train/ of the others"
        )
    if len(tops) > 1 and all(name.lower() in MODALITIES for name in names):
        raise DataError(
            f"{root}: {some(names)} look like modalities of one scene, not like classes. With labels/ beside them they "
            "are a set of frames (detection_dls); combine_modalities makes one array of them"
        )
    if len(tops) > 1 and all(name.lower() in IMAGES | COMPANIONS for name in names):
        raise DataError(f"{root}: {some(names)} look like images and what describes them, not like classes")


def _add_parts(
    root: Path, layout: Layout, base: Path, labelled: dict[Path, str], flat: list[Path], known: frozenset[str]
) -> None:
    said: dict[str, Path] = {}
    for folder, part in labelled.items():
        if part in said:
            raise DataError(
                f"{root}: {said[part].name}/ and {folder.name}/ both say the {part} part; put them into one folder"
            )
        said[part] = folder
    if "train" not in said and not known:
        raise DataError(
            f"{root}: {', '.join(folder.name + '/' for folder in labelled)} say parts of a set, and there is no train/ "
            "with class folders"
        )
    for folder in flat:
        part = parts_among([other.name for other in (*labelled, *flat)])[folder.name]
        if part in ("train", "valid") or part in said:
            raise DataError(
                f"{root}: {folder.name}/ says the {part} part and holds {len(below(folder))} pictures without class "
                f"folders; {folder.name}/CLASS/*.jpg is needed"
            )
        layout.left.append((f"in {folder.name}/ without a class, kept for `predict`", below(folder)))
    for folder, part in labelled.items():
        inner = _unwrapped(root, folder, known, layout, part)
        _add_classes(layout, inner, part, folders_in(inner))


def _add_classes(layout: Layout, base: Path, part: str, folders: list[Path]) -> None:
    layout.folders += [(folder, folder.name, part) for folder in folders]
    if stray := files_in(base, SUFFIXES):
        layout.left.append((f"directly in {base.name}/, of no class", stray))


def _list_pictures(layout: Layout) -> None:
    """Enter the pictures of each class folder, masks beside images left aside."""
    deep = []
    for folder, name, _ in layout.folders:
        inner = {entry.name.lower(): entry for entry in folders_in(folder)}
        companions = [inner[word] for word in inner if word in COMPANIONS] if set(inner) & IMAGES else []
        pictures = below(folder)
        beside = [file for file in pictures if any(place in file.parents for place in companions)]
        masks = _masks([file for file in pictures if file not in set(beside)])
        if beside:
            layout.left.append((f"in {some([f'{name}/{place.name}/' for place in companions])} beside images", beside))
        if masks:
            layout.left.append((f"in {name}/ that are masks of another by their name", masks))
        aside = {*beside, *masks}
        kept = [file for file in pictures if file not in aside]
        layout.pictures.append(kept)
        places = {file.relative_to(folder).parts[0] for file in kept if file.parent != folder}
        if len(places) > 1 or (places and any(file.parent == folder for file in kept)):
            deep.append(f"{name}/ ({some(sorted(places), 2)})")
    if deep:
        layout.notes.append(f"pictures in folders below a class folder are of its class: {some(deep)}")


def _masks(pictures: list[Path]) -> list[Path]:
    """The files that are called like another of the same folder and a mask's ending: x_mask.png beside x.png."""
    stems = {(file.parent, file.stem) for file in pictures}

    def base(stem: str) -> str:
        plain = stem.rstrip("0123456789").rstrip("_- ")
        for text in (stem, plain):
            for ending in MASK_ENDINGS:
                if text.lower().endswith(ending):
                    return text[: -len(ending)]
        return ""

    return [file for file in pictures if (found := base(file.stem)) and (file.parent, found) in stems]


def not_pictures(root: Path, used: set[Path]) -> list[tuple[str, list[Path]]]:
    """The files below a folder that are no picture, and hidden pictures, each with the reason; for nothing is passed
    over unnamed.

    used: the pictures that are accounted for.
    """
    every = files_below(root, None, ignored=lambda name: False)
    hidden = [file for file in every if any(map(is_ignored, file.relative_to(root).parts))]
    aside = set(hidden)
    other = [file for file in every if file not in aside and file not in used and file.suffix.lower() not in SUFFIXES]
    shown = [file for file in hidden if file.suffix.lower() in SUFFIXES and not file.name.startswith("._")]
    return [(why, files) for why, files in (("of no picture format", other), ("in hidden folders", shown)) if files]
