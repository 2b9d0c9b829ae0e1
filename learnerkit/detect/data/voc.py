"""Pascal VOC: an XML file an image, boxes in pixels; lists of parts in ImageSets/Main.

Format: host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf. A box's corners are counted from 1 and lie within it, so
that it reaches from xmin - 1 to xmax; sets in which a 0 stands count from 0.
"""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from learnerkit.core.errors import DataError
from learnerkit.core.text import some
from learnerkit.data.faults import Fault
from learnerkit.data.walk import COMPANIONS, files_below, files_in, holds, part_of_name, parts_by_folder
from learnerkit.detect.data.frames import SUFFIXES
from learnerkit.detect.data.gather import Boxes, RawBox, gather_boxes, is_number, no_boxes, pixel_box
from learnerkit.detect.data.names import class_names, read_lines
from learnerkit.detect.data.table import Finder, Listed, Listing, left_out, name_below

LARGEST = 2**24  # bytes of one annotation


@dataclass
class Annotated:
    """What one XML file says.

    name: of the file; image: the file name that it gives; size: height and width that it gives, 0 where it does not.
    objects: (class, x1 y1 x2 y2 as they stand, whether it is difficult); reason: why it cannot be read.
    """

    name: str
    image: str = ""
    size: tuple[int, int] = (0, 0)
    objects: list[tuple[str, list[float], bool]] = field(default_factory=list)
    reason: str = ""


def is_voc(path: Path) -> bool:
    """Whether a folder holds XML annotations and pictures."""
    if not path.is_dir():
        return False
    return any(_is_annotation(file) for file in files_below(path, {".xml"})[:3]) and holds(path, SUFFIXES)


def _is_annotation(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return b"<annotation" in opened.read(2000)
    except OSError:
        return False


def list_voc(root: Path, images_in: Path | None = None) -> Listing:
    """The images of a VOC set with their boxes and parts; an image without XML has no label.

    images_in: the folder of its images, where not every picture is one.
    """
    read = {file: read_xml(file, name_below(file, root)) for file in files_below(root, {".xml"})}
    every = files_below(images_in or root, SUFFIXES)
    masks = [file for file in every if COMPANIONS & {part.lower() for part in file.relative_to(root).parts[:-1]}]
    masks = [file for file in masks if file.with_suffix(".xml") not in read]  # beside an annotation it is an image
    pictures = sorted(set(every) - set(masks))
    find = Places(pictures, root)
    faults, owner = [], {}
    for file, annotated in read.items():
        image = find(file, annotated)
        if image is None:
            word = annotated.image or file.stem
            faults.append(Fault(annotated.name, annotated.reason or f"its image {word} is not there", samples=0))
        elif image in owner:
            faults.append(Fault(annotated.name, f"is of {image.name}, as {owner[image].name} is", samples=0))
        else:
            owner[image] = annotated
    objects = [box for annotated in read.values() for _, box, _ in annotated.objects]
    _refuse_relative(root, objects)
    first = 0 if any(min(box[:2]) == 0 for box in objects) else 1
    notes = [] if first else ["its boxes are counted from 0 on, for a 0 stands among them; VOC's are from 1"]
    vocab = class_names([root]) or sorted(
        {name for annotated in read.values() for name, _, _ in annotated.objects} - {""}
    )
    codes = {name: code for code, name in enumerate(vocab)}
    notes += [f"{len(masks):,} mask(s) left out: {some([name_below(file, root) for file in masks])}"] if masks else []
    notes += left_out(root, pictures, masks) if images_in is None else []
    parts, wrong = _parts(root, pictures)
    folders = parts_by_folder(pictures, root)
    listed = [
        Listed(
            (image,),
            name_below(image, root),
            partial(boxes_of, owner.get(image), codes, first),
            parts.get(image, "") if parts else folders[image],
            f"{image.stem}.xml",
            absolute=True,
        )
        for image in pictures
    ]
    return Listing(root, listed, vocab, faults + wrong, notes)


class Places:
    """Finds the picture of an annotation: in its own folder, in one that is called alike, else anywhere."""

    def __init__(self, pictures: list[Path], root: Path) -> None:
        self.beside = {picture.with_suffix(""): picture for picture in pictures}
        self.alike: dict[tuple[str, str], list[Path]] = {}
        for picture in pictures:
            self.alike.setdefault((picture.parent.name, picture.stem), []).append(picture)
        self.find = Finder(pictures, root)

    def __call__(self, file: Path, annotated: Annotated) -> Path | None:
        """The picture, None where there is none or more than one."""
        if picture := self.beside.get(file.with_suffix("")):
            return picture
        alike = self.alike.get((file.parent.name, file.stem), [])
        if len(alike) == 1:
            return alike[0]
        return next(
            (found for word in (file.stem, annotated.image) if isinstance(found := self.find(word), Path)), None
        )


def _parts(root: Path, pictures: list[Path]) -> tuple[dict[Path, str], list[Fault]]:
    """Parts by the lists of ImageSets/Main, or of texts in the set's folder; trainval only where there is no train."""
    lists = [file for file in files_below(root, {".txt"}) if file.parent.name in ("Main", "ImageSets")]
    lists = [file for file in lists or files_in(root, {".txt"}) if part_of_name(file.stem)]
    if {"train", "val"} & {file.stem for file in lists}:
        lists = [file for file in lists if file.stem != "trainval"]
    parts: dict[Path, str] = {}
    faults = []
    find = Finder(pictures, root)
    for file in lists:
        part = part_of_name(file.stem)
        for number, line in enumerate(read_lines(file), 1):
            name = line.split()[0] if line.split() else ""
            image = find(name) if name else None
            if isinstance(image, str):
                faults.append(Fault(name_below(file, root), f"'{name}' {image}", f"line {number}", samples=0))
            elif image is not None and parts.setdefault(image, part) != part:
                said = f"'{name}' stands in {parts[image]} already"
                faults.append(Fault(name_below(file, root), said, f"line {number}", samples=0))
    return parts, faults


def _refuse_relative(root: Path, boxes: list[list[float]]) -> None:
    if boxes and max(max(box) for box in boxes) <= 1:
        raise DataError(
            f"{root}: every box is within 0..1, such as {some(boxes[0], 4)}; "
            "VOC's are in pixels: multiply by the image's width and height"
        )


def read_xml(file: Path, name: str) -> Annotated:
    """What an XML annotation says; entities are refused, for they can grow without end."""
    try:
        if file.stat().st_size > LARGEST:
            return Annotated(name, reason=f"has more than {LARGEST:,} bytes; no annotation has")
        data = file.read_bytes()
        if b"<!ENTITY" in data:
            return Annotated(name, reason="defines entities, which no annotation does")
        root = ElementTree.fromstring(data)
        if root.tag == "annotations":
            return Annotated(name, reason="is of CVAT's own format; export Pascal VOC, YOLO or COCO from it")
        size = tuple(int(float(root.findtext(f"size/{side}") or 0)) for side in ("height", "width"))
        annotated = Annotated(name, (root.findtext("filename") or "").strip(), size)
        for place in root.iter("object"):
            corners = [float(place.findtext(f"bndbox/{key}") or "nan") for key in ("xmin", "ymin", "xmax", "ymax")]
            if place.find("bndbox") is None:
                kinds = [child.tag for child in place if child.tag in ("robndbox", "polygon", "mask")]
                return Annotated(name, annotated.image, size, reason=f"holds {some(kinds) or 'objects'} without bndbox")
            hard = (place.findtext("difficult") or "0").strip() == "1"
            annotated.objects.append(((place.findtext("name") or "").strip(), corners, hard))
    except (OSError, ValueError, ElementTree.ParseError) as error:
        return Annotated(name, reason=f"cannot be read as an annotation ({error})")
    return annotated


def boxes_of(
    annotated: Annotated | None, codes: dict[str, int], first: int, size: tuple[int, int], clip: bool
) -> Boxes | None:
    """The good boxes of one image, and a fault for each object that is none; None where it has no annotation.

    codes: class numbers by name; first: the number of the first pixel; size, clip: as in `gather_boxes`.
    """
    if annotated is None:
        return None
    if annotated.reason:
        return no_boxes(Fault(annotated.name, annotated.reason))
    if 0 not in annotated.size and annotated.size != size:
        (h, w), (height, width) = annotated.size, size
        return no_boxes(Fault(annotated.name, f"says its image is {w}x{h} pixels; it is {width}x{height}"))

    def parse(entry: tuple[str, list[float], bool]) -> RawBox:
        name, corners, difficult = entry
        if name not in codes:
            raise DataError(f"its class {name!r} is not among the classes" if name else "its class has no name")
        if not all(map(is_number, corners)):
            raise DataError(f"bndbox is {corners}; four numbers are needed: xmin, ymin, xmax, ymax")
        x1, y1, x2, y2 = corners
        text = f"{x1:g} {y1:g} {x2:g} {y2:g}"
        return pixel_box((x1 - first, y1 - first, x2, y2), codes[name], size, (name, *corners), text, difficult)

    entries = [(f"object {number}", entry) for number, entry in enumerate(annotated.objects, 1)]
    return gather_boxes(entries, parse, annotated.name, size, clip, 1.0 / min(size))
