"""The same set of boxes in the layouts of other tools, written from what those tools document."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("square", "bar")
PARTS = ("train", "val", "test")


@dataclass
class Plain:
    """One image: its name, part, pixels uint8 [H,W,3], and boxes (class, x1, y1, x2, y2) in whole pixels."""

    name: str
    part: str
    pixels: np.ndarray
    boxes: list[tuple[int, int, int, int, int]]


def plain_set(n=9, seed=0):
    """Noise with bright rectangles; two thirds are trained on."""
    rng = np.random.default_rng(seed)
    images = []
    for number in range(n):
        height, width = 48 + 8 * (number % 2), 64
        pixels = rng.integers(0, 90, (height, width, 3), dtype=np.uint8)
        boxes = []
        for place in range(1 + number % 3):
            code, x, y = int(rng.integers(0, 2)), int(rng.integers(1, 40)), 1 + 15 * place
            w, h = ((10, 10), (20, 6))[code]
            pixels[y : y + h, x : x + w] = 230
            boxes.append((code, x, y, x + w, y + h))
        part = PARTS[0] if number < n - 4 else PARTS[1 + number % 2]
        images.append(Plain(f"{number:04d}", part, pixels, boxes))
    return images


def save(image, file):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.pixels).save(file)


def yolo_lines(image):
    height, width = image.pixels.shape[:2]
    lines = []
    for code, x1, y1, x2, y2 in image.boxes:
        values = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height
        lines.append(f"{code} " + " ".join(f"{value:.8f}" for value in values) + "\n")
    return "".join(lines)


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def yolo_pairs(images, root, place):
    """Images and labels; place: image to the folder of images/ and labels/, and their inner folder."""
    for image in images:
        base, inner = place(image)
        save(image, base / "images" / inner / f"{image.name}.png")
        write(base / "labels" / inner / f"{image.name}.txt", yolo_lines(image))


def ultralytics(images, root, names="list", lists=False):
    """data.yaml with path, train, val, test as folders or as list files; names as a list or a dict."""
    yolo_pairs(images, root, lambda image: (root, image.part))
    said = {part: f"images/{part}" for part in PARTS}
    if lists:
        for part in PARTS:
            lines = [f"./images/{part}/{image.name}.png" for image in images if image.part == part]
            write(root / f"{part}_list.txt", "\n".join(lines) + "\n")
        said = {part: f"{part}_list.txt" for part in PARTS}
    listed = str(list(NAMES)) if names == "list" else "\n" + "".join(f"  {n}: {w}\n" for n, w in enumerate(NAMES))
    text = f"path: {root.name}\n" + "".join(f"{part}: {said[part]}\n" for part in PARTS) + f"names: {listed}\n"
    write(root / "data.yaml", text)


def roboflow_yolo(images, root):
    yolo_pairs(images, root, lambda image: (root / {"val": "valid"}.get(image.part, image.part), ""))
    text = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\n"
    write(root / "data.yaml", text + f"names: {list(NAMES)}\n\nroboflow:\n  workspace: w\n  version: 1\n")


def darknet(images, root):
    """Labels beside images, obj.data, obj.names and lists of parts."""
    for image in images:
        save(image, root / "obj_train_data" / f"{image.name}.png")
        write(root / "obj_train_data" / f"{image.name}.txt", yolo_lines(image))
    write(root / "obj.names", "\n".join(NAMES) + "\n")
    write(root / "obj.data", "classes = 2\ntrain = data/train.txt\nvalid = data/val.txt\nnames = data/obj.names\n")
    for part in PARTS:
        lines = [f"data/obj_train_data/{image.name}.png" for image in images if image.part == part]
        write(root / f"{part}.txt", "\n".join(lines) + "\n")


def listed(images, root):
    """images/train2017 and the like, with list files of parts."""
    yolo_pairs(images, root, lambda image: (root, f"{image.part}2017"))
    write(root / "classes.txt", "\n".join(NAMES) + "\n")
    for part in PARTS:
        lines = [f"./images/{part}2017/{image.name}.png" for image in images if image.part == part]
        write(root / f"{part}2017.txt", "\n".join(lines) + "\n")


def coco_content(images, file_name=lambda image: f"{image.name}.png", first=1):
    content = {
        "images": [],
        "annotations": [],
        "categories": [{"id": first + n, "name": w} for n, w in enumerate(NAMES)],
    }
    for number, image in enumerate(images):
        height, width = image.pixels.shape[:2]
        entry = {"id": 100 + number, "file_name": file_name(image), "height": height, "width": width}
        content["images"].append(entry)
        for code, x1, y1, x2, y2 in image.boxes:
            box = [x1, y1, x2 - x1, y2 - y1]
            ring = [x1, y1, x2, y1, x2, y2, x1, y2]
            entry = {"id": len(content["annotations"]) + 1, "image_id": 100 + number, "category_id": first + code}
            content["annotations"].append(
                {**entry, "bbox": box, "area": box[2] * box[3], "iscrowd": 0, "segmentation": [ring]}
            )
    return content


def of_part(images):
    parts = defaultdict(list)
    for image in images:
        parts[image.part].append(image)
    return parts


def official_coco(images, root):
    """train2017/ ..., annotations/instances_*.json with captions and keypoints beside them."""
    for part, those in of_part(images).items():
        for image in those:
            save(image, root / f"{part}2017" / f"{image.name}.png")
        content = coco_content(those)
        write(root / "annotations" / f"instances_{part}2017.json", json.dumps(content))
        captions = [{"id": n, "image_id": 100 + n, "caption": "a bar"} for n in range(len(those))]
        write(
            root / "annotations" / f"captions_{part}2017.json",
            json.dumps({"images": content["images"], "annotations": captions}),
        )
        people = [{"id": 1, "image_id": 100, "category_id": 1, "bbox": [1, 1, 5, 5], "keypoints": [0] * 51}]
        persons = {"images": content["images"], "annotations": people, "categories": [{"id": 1, "name": "person"}]}
        write(root / "annotations" / f"person_keypoints_{part}2017.json", json.dumps(persons))


def roboflow_coco(images, root):
    for part, those in of_part(images).items():
        folder = root / {"val": "valid"}.get(part, part)
        for image in those:
            save(image, folder / f"{image.name}.png")
        write(folder / "_annotations.coco.json", json.dumps(coco_content(those)))


def voc_xml(image):
    height, width = image.pixels.shape[:2]
    objects = "".join(
        f"<object><name>{NAMES[c]}</name><difficult>0</difficult><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for c, x1, y1, x2, y2 in image.boxes
    )
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><filename>{image.name}.png</filename>{size}{objects}</annotation>"


def voc(images, root):
    for image in images:
        save(image, root / "JPEGImages" / f"{image.name}.png")
        write(root / "Annotations" / f"{image.name}.xml", voc_xml(image))
    for part in PARTS:
        lines = [image.name for image in images if image.part == part]
        write(root / "ImageSets" / "Main" / f"{part}.txt", "\n".join(lines) + "\n")


def voc_beside(images, root):
    """labelImg's and Roboflow's: XML beside the images, a folder a part."""
    for image in images:
        folder = root / {"val": "valid"}.get(image.part, image.part)
        save(image, folder / f"{image.name}.png")
        write(folder / f"{image.name}.xml", voc_xml(image))


def modalities(images, root, folders=("rgb", "thermal"), labels=True):
    """A folder a modality with equal names; the further ones are the first channel in grey."""
    for image in images:
        for n, folder in enumerate(folders):
            file = root / folder / image.part / f"{image.name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.pixels if n == 0 else image.pixels[..., 0] // (n + 1)).save(file)
        if labels:
            write(root / "labels" / image.part / f"{image.name}.txt", yolo_lines(image))
    if labels:
        write(root / "classes.txt", "\n".join(NAMES) + "\n")


LAYOUTS = {
    "ultralytics": ultralytics,
    "ultralytics, names as a dict": lambda images, root: ultralytics(images, root, names="dict"),
    "ultralytics, list files": lambda images, root: ultralytics(images, root, lists=True),
    "Roboflow YOLO": roboflow_yolo,
    "darknet": darknet,
    "folders of parts with list files": listed,
    "official COCO": official_coco,
    "Roboflow COCO": roboflow_coco,
    "Pascal VOC": voc,
    "XML beside images": voc_beside,
}


def found(source):
    """What a set was read as: by the images' names, their part and boxes in the order of classes and places."""
    read = {}
    for row, name in enumerate(source.ids):
        boxes = sorted(
            (int(code), *box) for code, box in zip(source.codes[row], source.boxes[row].round(3).tolist(), strict=True)
        )
        read[Path(name).stem] = (str(source.parts[row]), boxes)
    return read


def expected(images):
    """What `found` of these images is."""
    parts = {"val": "valid"}
    return {
        image.name: (parts.get(image.part, image.part), sorted((c, *map(float, box)) for c, *box in image.boxes))
        for image in images
    }
