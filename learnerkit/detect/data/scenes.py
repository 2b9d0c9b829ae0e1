"""Scenes of real handwritten digits in five channels, with boxes: a detection set that needs no download."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from learnerkit.core.files import PathLike, atomic_write
from learnerkit.core.ranges import FrameSide, Lot, checked

LEAST, MOST = 14, 26  # pixels of a digit's side
COUNTS = {"train": 320, "val": 40, "test": 60}


@checked
def make_digit_scenes(
    folder: PathLike, counts: dict[str, int] | None = None, side: FrameSide = 64, seed: Lot = 7
) -> Path:
    """Write scenes as a detection set: images/*.npy, uint8 [side,side,5], labels, names and lists of the parts.

    Digits of one part stand in no other. By night (half of the scenes) the digits can hardly be seen in RGB; thermal
    shows them always, without sharp edges; events are the change of brightness under a small shift.

    folder: made when missing.
    counts: scenes of each part, 'train', 'val' and 'test'; 320, 40 and 60 when None.
    side: of a scene, in pixels.
    seed: of the scenes.

    Examples:
        >>> scenes = make_digit_scenes("scenes", {"train": 6, "val": 2, "test": 2}, side=48)
        >>> sorted(path.name for path in scenes.iterdir())
        ['classes.txt', 'images', 'labels', 'test.txt', 'train.txt', 'val.txt']
    """
    folder, counts = Path(folder), counts or COUNTS
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    digits, codes = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    shares = np.array_split(rng.permutation(len(codes)), 10)  # seven tenths, one, two
    pools = {"train": np.concatenate(shares[:7]), "val": shares[7], "test": np.concatenate(shares[8:])}
    for part, count in counts.items():
        names = [f"{part}_{number:04d}" for number in range(count)]
        for name in names:
            frame, lines = _scene(rng, digits, codes, pools[part], side)
            np.save(folder / "images" / f"{name}.npy", frame)
            atomic_write(folder / "labels" / f"{name}.txt", "".join(f"{line}\n" for line in lines))
        atomic_write(folder / f"{part}.txt", "".join(f"{name}\n" for name in names))
    atomic_write(folder / "classes.txt", "".join(f"{code}\n" for code in range(10)))
    return folder


def _scene(
    rng: np.random.Generator, digits: np.ndarray, codes: np.ndarray, pool: np.ndarray, side: int
) -> tuple[np.ndarray, list[str]]:
    """One frame and the lines of its label file; one in twenty holds no digit."""
    night = rng.random() < 0.5
    ink = np.zeros((side, side))
    boxes: list[tuple[int, int, int, int]] = []
    lines = []
    for _ in range(0 if rng.random() < 0.05 else rng.integers(1, 4)):
        size = int(rng.integers(LEAST, MOST + 1))
        row = int(rng.choice(pool))
        small = Image.fromarray((digits[row].reshape(8, 8) * 15.9).astype(np.uint8))
        digit = np.asarray(small.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float64) / 255
        y, x = (int(rng.integers(0, side - size + 1)) for _ in range(2))
        if any(x < right and left < x + size and y < low and top < y + size for left, top, right, low in boxes):
            continue
        boxes.append((x, y, x + size, y + size))
        rows, columns = np.nonzero(digit > 0.3)
        ink[y : y + size, x : x + size] = np.maximum(ink[y : y + size, x : x + size], digit)
        left, right, top, low = columns.min() + x, columns.max() + x + 1, rows.min() + y, rows.max() + y + 1
        centre = ((left + right) / 2 / side, (top + low) / 2 / side)
        lines.append(
            f"{codes[row]} {centre[0]:.6f} {centre[1]:.6f} {(right - left) / side:.6f} {(low - top) / side:.6f}"
        )
    light = 0.15 if night else 1.0
    ground = rng.uniform(0.2, 0.5, 3)[:, None, None] + _smooth(rng, side, 12) * 0.15
    colour = rng.uniform(0.6, 1.0, 3)[:, None, None]
    rgb = (ground * (1 - ink) + colour * ink) * light + rng.normal(0, 0.03, (3, side, side))
    thermal = 0.25 + 0.1 * _smooth(rng, side, 12) + 0.6 * _blurred(ink) + rng.normal(0, 0.02, (side, side))
    grey = np.log(rgb.mean(axis=0).clip(0.02))
    event = 0.5 + 0.25 * (grey - np.roll(grey, (1, 2), (0, 1)))
    frame = np.stack([*rgb, thermal, event]).clip(0, 1) * 255
    return frame.astype(np.uint8).transpose(1, 2, 0), lines


def _smooth(rng: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """Slow changes over the scene, in -1..1."""
    coarse = Image.fromarray(rng.uniform(-1, 1, (side // cells, side // cells)).astype(np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))


def _blurred(ink: np.ndarray) -> np.ndarray:
    """The mean over 3x3 pixels: heat has no sharp edges."""
    padded = np.pad(ink, 1, mode="edge")
    return sum(padded[dy : dy + len(ink), dx : dx + len(ink)] for dy in range(3) for dx in range(3)) / 9
