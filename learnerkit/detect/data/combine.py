"""`combine_modalities`: separate images of one scene as one array of many channels."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike, atomic_write
from learnerkit.data.faults import Fault, Report, check_bad
from learnerkit.data.pictures import UNREADABLE
from learnerkit.data.walk import files_in
from learnerkit.detect.data.frames import PICTURES, RANGES, SUFFIXES, check_floats, stored_frame


def combine_modalities(
    rgb_dir: PathLike, thermal_dir: PathLike | None, event_dir: PathLike | None, out: PathLike, bad: str = "refuse"
) -> Report:
    """Write OUT/images/NAME.npy, (H, W, C), from the images of the same NAME in each folder.

    Thermal and event images are resized to the RGB image's size and each give one channel (the mean of theirs). Frames
    are uint8, or uint16 as soon as one of the parts has 16 bits, so that its precision stays.
    rgb_dir, thermal_dir, event_dir: folders of images or .npy arrays; None for a modality that is not there.
    out: the folder; labels stay where they are, to be put beside images/.
    bad: 'refuse' writes nothing when a frame lacks a part or cannot be read, 'skip' leaves it out.
    Returns a report: every mismatch and every resize is in it. DataError when nothing fits together.
    """
    check_bad(bad)
    folders = {"RGB": rgb_dir, "thermal": thermal_dir, "event": event_dir}
    listed = {name: _listed(Path(folder)) for name, folder in folders.items() if folder is not None}
    names = sorted(set().union(*listed.values()))
    faults = [
        Fault(name, f"is missing in {folders[kind]} ({kind})")
        for name in names
        for kind, files in listed.items()
        if name not in files
    ]
    whole = [name for name in names if all(name in files for files in listed.values())]
    if not whole:
        raise DataError(f"{rgb_dir}: none of the {len(names)} names stands in every folder; names have to be the same")
    images = Path(out) / "images"
    frames, resizes = [], []
    for name in whole:
        try:
            frame, resized = _combined([files[name] for files in listed.values()])
        except UNREADABLE as error:
            faults.append(Fault(name, str(error)))
            continue
        resizes += [Fault(name, text, samples=0) for text in resized]
        if bad == "skip":
            _write(images, name, frame)
        frames.append(name)
    report = Report(Path(out), "combined frames", len(names), faults + resizes)
    if faults and bad != "skip":
        raise DataError(f"{report}\nNothing was written. Repair them, or leave them out: bad='skip'.")
    if bad != "skip":
        for name in frames:
            _write(images, name, _combined([files[name] for files in listed.values()])[0])
    return report


def _listed(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    files = files_in(folder, SUFFIXES)
    if not files:
        raise DataError(f"{folder}: holds no images ({', '.join(sorted(PICTURES))}, .npy)")
    twice = sorted(name for name, n in Counter(file.stem for file in files).items() if n > 1)
    if twice:
        raise DataError(f"{folder}: more than one file is called {', '.join(twice[:10])}; names have to be unique")
    return {file.stem: file for file in files}


def _combined(files: list[Path]) -> tuple[np.ndarray, list[str]]:
    """A frame [H,W,C] of uint8 or uint16, and what had to be resized."""
    parts = [stored_frame(file) for file in files]
    for file, part in zip(files, parts, strict=True):
        try:
            check_floats(part)
        except DataError as error:
            raise DataError(f"{file.parent.name}/{file.name}: {error}") from error
    size, resized = parts[0].shape[1:], []
    deep = any(part.dtype != np.uint8 for part in parts)
    channels = []
    for number, (file, part) in enumerate(zip(files, parts, strict=True)):
        values = part.astype(np.float64) / RANGES.get(part.dtype, 1)
        if number > 0:
            values = values.mean(axis=0, keepdims=True)
        if values.shape[1:] != size:
            was = f"{values.shape[2]}x{values.shape[1]}"
            resized.append(f"{file.parent.name}: {was} pixels, resized to the RGB's {size[1]}x{size[0]}")
            values = np.stack([_resize(channel, size) for channel in values])
        channels.append(values)
    kind = np.uint16 if deep else np.uint8
    frame = (np.concatenate(channels) * np.iinfo(kind).max).round().clip(0, np.iinfo(kind).max).astype(kind)
    return np.ascontiguousarray(frame.transpose(1, 2, 0)), resized


def _resize(channel: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    return np.asarray(Image.fromarray(channel.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR))


def _write(images: Path, name: str, frame: np.ndarray) -> None:
    images.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.save(buffer, frame, allow_pickle=False)
    atomic_write(images / f"{name}.npy", buffer.getvalue())
