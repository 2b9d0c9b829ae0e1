"""Opening photographs of any size: seconds an image and memory, for two numbers of files, in memory and mapped.

python benchmarks/photographs.py PHOTOGRAPHS [--counts 1000 10000] [--size 224]

PHOTOGRAPHS holds image files, such as COCO's; each is written again and again with one pixel changed, as files of their
own. Every case is a process of its own; what it takes beyond Python and the libraries is its anonymous memory.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

CASES = ("memory", "disk", "disk again", "stream")


def write_files(photographs, folder, n):
    """`n` files in two class folders, none equal to another."""
    sources = [Image.open(file).convert("RGB") for file in sorted(photographs.glob("*.jpg"))]
    for number in range(n):
        image = sources[number % len(sources)].copy()
        image.putpixel((number % 97, number // 97), (255, number % 256, 0))
        place = folder / f"class{number % 2}" / f"{number:06d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        image.save(place, quality=90)


def anonymous_bytes():
    """Memory of this process that no file backs, and that was touched."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) * 1024


def measure(folder, cache, size):
    """Opens the folder and prints seconds and bytes."""
    from learnerkit.all import folder_dls

    before, begun = anonymous_bytes(), time.perf_counter()
    dls = folder_dls(folder, bs=64, size=size, cache=cache, split=(0.8, 0.2, 0))
    seconds = time.perf_counter() - begun
    print(seconds, anonymous_bytes() - before, len(dls.source))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(Path(args.measure[0]), args.measure[1], args.size)
        return
    for n in args.counts:
        with tempfile.TemporaryDirectory() as root:
            write_files(args.photographs, Path(root) / "set", n)
            environment = {**os.environ, "LEARNERKIT_HOME": f"{root}/home"}
            for case in CASES:
                words = [__file__, str(args.photographs), "--size", str(args.size)]
                words += ["--measure", f"{root}/set", case.split()[0]]
                done = subprocess.run(
                    [sys.executable, "-W", "ignore", *words], env=environment, capture_output=True, text=True
                )
                if done.returncode:
                    sys.exit(done.stderr)
                seconds, taken, kept = map(float, done.stdout.split())
                print(
                    f"{n:>7} files  {case:<11} {1000 * seconds / kept:6.2f} ms an image  {taken / 1e6:8,.0f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
