"""Where the classes and parts of a folder of pictures are: `ROOT/CLASS` or `ROOT/PART/CLASS`.

Two folders whose names say parts are never classes, nor are masks beside images; what cannot be told is refused.
"""

from dataclasses import dataclass, field
from pathlib import Path

from learnerkit.classify.mistaken import below, refuse_flat_parts, refuse_others
from learnerkit.core.errors import DataError
from learnerkit.core.text import some
from learnerkit.data.pictures import SUFFIXES
from learnerkit.data.walk import (
    COMPANIONS,
    IMAGES,
    files_below,
    files_in,
    folders_in,
    holds,
    is_ignored,
    part_of_name,
    parts_among,
)

MASK_ENDINGS = ("_mask", "-mask", "_masks", "_seg", "_segmentation", "_gt", "_label", "_annotation")


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
    flat = [folder for folder in named if folder not in labelled and holds(folder, SUFFIXES)]
    if not labelled:
        refuse_flat_parts(root, base, flat, [folder for folder in tops if folder not in named])
        refuse_others(root, tops)
        unlabelled = [folder for folder in flat if parts[folder.name] != "train"]
        for folder in unlabelled:
            layout.left.append((f"in {folder.name}/ without a class, kept for `predict`", below(folder)))
        if flat and not unlabelled:
            layout.notes.append(f"{flat[0].name}/ holds pictures itself and is taken for a class")
        _add_classes(layout, base, "", [folder for folder in tops if folder not in unlabelled])
    else:
        _add_parts(root, layout, base, {folder: parts[folder.name] for folder in labelled}, flat, known)
        strange = [
            folder for folder in tops if folder not in labelled and folder not in flat and holds(folder, SUFFIXES)
        ]
        for folder in strange:
            layout.left.append((f"in {folder.name}/, which names no part", below(folder)))
        if stray := files_in(base, SUFFIXES):
            layout.left.append((f"directly in {base.name}/, of no class", stray))
    _list_pictures(layout)
    return layout


def _holds_classes(folder: Path) -> bool:
    """Whether class folders with pictures lie in a folder; a lone images/ is none."""
    inner = [entry for entry in folders_in(folder) if holds(entry, SUFFIXES)]
    lone = len(inner) == 1 and inner[0].name.lower() in IMAGES
    return _holds_classes(inner[0]) if lone else bool(inner)


def _unwrapped(root: Path, base: Path, known: frozenset[str], layout: Layout, part: str = "") -> Path:
    """The folder that holds the classes or parts: past a single folder around them, and past images/ beside masks/.

    part: that `base` says itself.
    """
    seen = {base.resolve()}  # a link may lead back
    while True:
        inner = [folder for folder in folders_in(base) if holds(folder, SUFFIXES)]
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
        elif _is_wrapped(base, inner, part) and inner[0].name not in known and inner[0].resolve() not in seen:
            base = inner[0]
            seen.add(base.resolve())
            if not part:
                layout.notes.append(f"the classes are looked for in {base.relative_to(root)}/")
        else:
            return base


def _is_wrapped(base: Path, inner: list[Path], part: str) -> bool:
    """Whether the one folder with pictures stands around classes or parts, and is none itself."""
    return (
        len(inner) == 1
        and part_of_name(inner[0].name) in ("", part)
        and not files_in(base, SUFFIXES)
        and not files_in(inner[0], SUFFIXES)
        and _holds_classes(inner[0])
    )


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
        refuse_others(root, folders_in(inner))
        _add_classes(layout, inner, part, folders_in(inner))


def _add_classes(layout: Layout, base: Path, part: str, folders: list[Path]) -> None:
    for folder in [folder for folder in folders if folder.name.lower() in COMPANIONS]:
        stems = {file.stem for other in folders if other != folder for file in below(other)}
        own = {file.stem for file in below(folder)}
        if own and len(own & stems) > len(own) / 2:  # of the images of the classes beside them
            layout.left.append((f"in {folder.name}/, masks of images beside them", below(folder)))
            folders = [other for other in folders if other != folder]
    for folder in folders:
        said = {} if part else _parts_inside(folder)
        layout.folders += [(inner, folder.name, of) for inner, of in said.items()] or [(folder, folder.name, part)]
    if stray := files_in(base, SUFFIXES):
        layout.left.append((f"directly in {base.name}/, of no class", stray))


def _parts_inside(folder: Path) -> dict[Path, str]:
    """The folders of parts in a class folder, where all of it lies in them: `CLASS/train` beside `CLASS/test`."""
    inner = [entry for entry in folders_in(folder) if holds(entry, SUFFIXES)]
    said = parts_among([entry.name for entry in inner])
    whole = len(said) == len(inner) > 1 and not files_in(folder, SUFFIXES)
    return {entry: said[entry.name] for entry in inner} if whole and "train" in said.values() else {}


def _list_pictures(layout: Layout) -> None:
    """Enter the pictures of each class folder, masks beside images left aside."""
    deep = []
    for folder, name, _ in layout.folders:
        inner = {entry.name.lower(): entry for entry in folders_in(folder)}
        pictures = below(folder)
        own = bool(set(inner) & IMAGES) or any(file.parent == folder for file in pictures)
        companions = [inner[word] for word in inner if word in COMPANIONS] if own else []
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
