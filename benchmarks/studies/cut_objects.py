"""Photographs of single objects, cut out of a set with YOLO boxes: class folders, and a table of parts by source image.

    python benchmarks/studies/cut_objects.py SET OUT [--least 6] [--side 24] [--margin 0.1] [--seed 42]
    python benchmarks/studies/cut_objects.py --tiny

SET holds images/, labels/ and classes.txt; OUT gets CLASS/IMAGE_BOX.jpg and parts.csv (file, label, part), which
`folder_dls(OUT, size=64)` and `--data OUT` read. Objects of one image stay in one part; a class needs LEAST objects of
four images or more. Prints a line a class.
"""

import argparse
import csv
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from learnerkit.classify.folder import list_folder

SHARES = {"train": 0.6, "valid": 0.2, "test": 0.2}


def boxes_of(label, size, margin):
    """(class, left, top, right, bottom) of each line of a label, in pixels, with a margin in shares of the side."""
    for line in label.read_text().splitlines():
        code, x, y, width, height = (float(word) for word in line.split())
        width, height = width * (1 + 2 * margin), height * (1 + 2 * margin)
        sides = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) * (*size, *size)
        yield int(code), *sides.round().clip(0, (*size, *size)).astype(int).tolist()


def dealt(photographs, rng):
    """The part of each photograph: the rarest class first, one to each part that lacks it, then by the shares."""
    part_of = {}
    for names in sorted(photographs.values(), key=len):
        for name in rng.permutation(sorted(names - part_of.keys())):
            held = Counter(part_of[other] for other in names & part_of.keys())
            part_of[name] = min(SHARES, key=lambda part: held[part] / SHARES[part])
    return part_of


def cut(data, out, least, side, margin, seed):
    """Write the objects of the classes that have enough of them; how many of each."""
    names = (data / "classes.txt").read_text().split("\n")
    found = {}
    for file in sorted((data / "images").iterdir()):
        with Image.open(file) as image:
            image = image.convert("RGB")
        for number, (code, *box) in enumerate(boxes_of(data / "labels" / f"{file.stem}.txt", image.size, margin)):
            if min(box[2] - box[0], box[3] - box[1]) >= side:
                found.setdefault(names[code].strip(), []).append((f"{file.stem}_{number}.jpg", image.crop(box)))
    photographs = {name: {file.split("_")[0] for file, _ in objects} for name, objects in found.items()}
    found = {name: o for name, o in found.items() if len(o) >= least and len(photographs[name]) > len(SHARES)}
    part_of = dealt({name: photographs[name] for name in found}, np.random.default_rng(seed))
    rows = []
    for name, objects in sorted(found.items()):
        (out / name).mkdir(parents=True)
        for file, picture in objects:
            picture.save(out / name / file, quality=95)
            rows.append({"file": f"{name}/{file}", "label": name, "part": part_of[file.split("_")[0]]})
    with (out / "parts.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, ["file", "label", "part"])
        writer.writeheader()
        writer.writerows(rows)
    return {name: Counter(row["part"] for row in rows if row["label"] == name) for name in found}


def tiny_set(root):
    """Twelve images with a light and a dark object each."""
    rng = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (root / folder).mkdir()
    (root / "classes.txt").write_text("light\ndark\n")
    for number in range(12):
        pixels = rng.integers(100, 150, (60, 90, 3), dtype=np.uint8)
        pixels[10:50, 5:40], pixels[10:50, 50:85] = 250 - number, number
        Image.fromarray(pixels).save(root / "images" / f"{number:02d}.jpg")
        (root / "labels" / f"{number:02d}.txt").write_text("0 0.25 0.5 0.39 0.67\n1 0.75 0.5 0.39 0.67\n")
    return root


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--least", type=int, default=6)
    parser.add_argument("--side", type=int, default=24)
    parser.add_argument("--margin", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        data, out = args.data, args.out
        if args.tiny:
            data, out = tiny_set(Path(root)), Path(root) / "out"
        for name, counts in cut(data, out, args.least, args.side, args.margin, args.seed).items():
            print(f"{name}: {dict(counts)}")
        print(f"{len(list_folder(out).files)} objects in {out}")


if __name__ == "__main__":
    main()
