"""`combine_modalities`: separate images of one scene as one array of many channels."""

import io
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike, atomic_write
from learnerkit.core.ranges import Flag, checked
from learnerkit.data.faults import Fault, Report, check_bad
from learnerkit.data.pictures import UNREADABLE
from learnerkit.data.split import evenly
from learnerkit.data.walk import files_in
from learnerkit.detect.data.frames import PICTURES, RANGES, SUFFIXES, check_floats, stored_frame
from learnerkit.detect.data.shift import LEAST_FRAMES, MOST_FRAMES, Shift, aligned, grey_of, shifts_of


@checked
def combine_modalities(
    rgb_dir: PathLike,
    thermal_dir: PathLike | None,
    event_dir: PathLike | None,
    out: PathLike,
    bad: Literal["refuse", "skip"] = "refuse",
    align: Flag = False,
) -> Report:
    """Write OUT/images/NAME.npy, (H, W, C), from the images of the same NAME in each folder.

    Thermal and event images are resized to the RGB image's size and each give one channel (the mean of theirs). Frames
    are uint8, or uint16 as soon as one of the parts has 16 bits, so that its precision stays.
    rgb_dir, thermal_dir, event_dir: folders of images or .npy arrays; None for a modality that is not there.
    out: the folder; labels stay where they are, to be put beside images/.
    bad: 'refuse' writes nothing when a frame lacks a part or cannot be read, 'skip' leaves it out.
    align: move thermal and event by the shift against RGB that is measured over the whole set, in whole pixels, their
        edges repeated; ten frames or more are needed. Without it they stay where they are.
    Returns a report: every mismatch, resize and move is in it. DataError when nothing fits together.

    Examples:
        >>> import numpy as np, os
        >>> for folder, shape in (("rgb", (24, 32, 3)), ("thermal", (12, 16))):
        ...     os.mkdir(folder)
        ...     np.save(f"{folder}/street.npy", np.full(shape, 90, np.uint8))
        >>> report = combine_modalities("rgb", "thermal", None, "frames")
        >>> np.load("frames/images/street.npy").shape
        (24, 32, 4)
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
    frames, notes = {}, []
    for name in whole:
        files = [files[name] for files in listed.values()]
        try:
            _, _, resized = _combined(files)
        except UNREADABLE as error:
            faults.append(Fault(name, str(error)))
            continue
        notes += [Fault(name, text, samples=0) for text in resized]
        frames[name] = files
    shifts: list[Shift] = []
    if align and (bad == "skip" or not faults):
        shifts = _measured(list(frames.values()))
        notes += [Fault(kind, _told(shift), samples=0) for kind, shift in zip(list(listed)[1:], shifts, strict=True)]
    report = Report(Path(out), "combined frames", len(names), faults + notes)
    if faults and bad != "skip":
        raise DataError(f"{report}\nNothing was written. Repair them, or leave them out: bad='skip'.")
    for name, files in frames.items():
        frame, n_rgb, _ = _combined(files)
        _write(Path(out) / "images", name, aligned(frame, n_rgb, shifts) if align else frame)
    return report


def _measured(frames: list[list[Path]]) -> list[Shift]:
    """The shift of each further channel over a set, from evenly spaced frames of it."""
    if len(frames) < LEAST_FRAMES:
        raise DataError(
            f"align=True: {len(frames)} frames; a shift is told from {LEAST_FRAMES} on. Nothing was written; "
            "align=False leaves everything where it is"
        )
    chosen = [frames[place] for place in evenly(len(frames), MOST_FRAMES)]
    read = ((frame, n_rgb) for frame, n_rgb, _ in map(_combined, chosen))
    return shifts_of((np.concatenate([grey_of(frame[:n])[None], frame[n:]]) for frame, n in read), 1).together


def _told(shift: Shift) -> str:
    if not shift.sure:
        return "no shift against RGB can be told; it stays where it is"
    return f"lay off RGB by {shift}; moved by {-round(shift.dy):+d} down and {-round(shift.dx):+d} to the right"


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


def _combined(files: list[Path]) -> tuple[np.ndarray, int, list[str]]:
    """A frame [C,H,W] of uint8 or uint16, how many of its channels are colours, and what had to be resized."""
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
    return frame, len(parts[0]), resized


def _resize(channel: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    return np.asarray(Image.fromarray(channel.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR))


def _write(images: Path, name: str, frame: np.ndarray) -> None:
    images.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(frame.transpose(1, 2, 0)), allow_pickle=False)
    atomic_write(images / f"{name}.npy", buffer.getvalue())
