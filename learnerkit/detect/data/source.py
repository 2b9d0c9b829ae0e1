"""A detection set: frames of 1 to 16 channels with boxes, whatever format they were read from."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.core.text import some
from learnerkit.data.copies import first_copies
from learnerkit.data.faults import Fault
from learnerkit.data.hashes import told
from learnerkit.data.similar import thumbnail_of
from learnerkit.data.source import Stats, common_facts, encoded
from learnerkit.detect.data.channels import Stretch, Use, some_of, stretch_of, stretched, use_of
from learnerkit.detect.data.frames import read_joined

TOLD_FROM = 500  # frames from which reading them shows how far it is


@dataclass(frozen=True)
class Frame:
    """One frame of a set, its pixels unread.

    files, name: where its channels lie, and how it is called; size: its height and width in pixels.
    boxes: float32 [n,4], x1 y1 x2 y2 in pixels of the stored frame; codes: int64 [n].
    ignored: float32 [k,5], boxes and classes of regions that are neither learnt nor counted.
    part: 'train', 'valid', 'test' or ''; digest: of its content.
    """

    files: tuple[Path, ...]
    name: str
    size: tuple[int, int]
    digest: str
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    codes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    ignored: np.ndarray = field(default_factory=lambda: np.zeros((0, 5), np.float32))
    part: str = ""


@dataclass
class FrameSource:
    """Frames with boxes and class names; the pixels are read when they are asked for. See `data.source.Source`.

    name: what the set is called; frames: in the order of their names; channels: of all of them; vocab: class names.
    keeps: which views keep the classes; stats: mean and std a channel, for normalising frames in 0..1.
    stretch: lowest and highest value a channel that frames are stretched between; None for as they are stored.
    quarantine: what was set aside. modalities: names of the channels behind RGB.
    named: whether the files name the classes; labelled: whether they say where the boxes are.
    notes: what had to be guessed, a line each.
    """

    name: str
    frames: list[Frame]
    channels: int
    vocab: list[str]
    named: bool = True
    keeps: tuple[str, ...] = ("mirror",)
    loses: tuple[str, ...] = ()
    stats: Stats | None = None
    stretch: Stretch | None = None
    quarantine: list[Fault] = field(default_factory=list)
    modalities: tuple[str, ...] = ()
    labelled: bool = True
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ids = [frame.name for frame in self.frames]
        self.ignored = [frame.ignored for frame in self.frames]
        self.boxes, self.codes = [frame.boxes for frame in self.frames], [frame.codes for frame in self.frames]
        self.sizes = np.array([frame.size for frame in self.frames])
        self.parts = np.array([frame.part for frame in self.frames])
        if not self.modalities:
            known = ("thermal", "event") if self.channels == 5 else ()
            self.modalities = known or tuple(f"channel {n}" for n in range(self.colours, self.channels))

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def colours(self) -> int:
        """How many channels are shown as one picture: RGB, or the first where there are fewer than three."""
        return 3 if self.channels >= 3 else 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, and the greatest height and width."""
        return (self.channels, *self.sizes.max(axis=0).tolist())

    @property
    def most_boxes(self) -> int:
        """Boxes and ignored regions of the fullest image, at least 1."""
        return max(1, *(len(frame.boxes) + len(frame.ignored) for frame in self.frames))

    @property
    def contents(self) -> list[str]:
        """A digest of each frame."""
        return [frame.digest for frame in self.frames]

    @cached_property
    def copies(self) -> np.ndarray:
        """For each frame the row of the first equal one, int64 [N]."""
        return first_copies(self.contents)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of frames, boxes, classes and names: what a resumed run compares."""
        digest = hashlib.sha256(encoded([*self.ids, *(frame.digest for frame in self.frames), *self.vocab]))
        for frame in self.frames:
            digest.update(f"{len(frame.boxes)}".encode() + frame.boxes.tobytes() + frame.codes.tobytes())
            digest.update(frame.ignored.tobytes())
        return digest.hexdigest()[:16]

    @property
    def unnamed(self) -> list[str]:
        """A line where no file names the classes, with the numbers that never occur; none where they are named."""
        if self.named:
            return []
        absent = sorted(set(range(len(self.vocab))) - {int(code) for codes in self.codes for code in codes})
        gaps = f"; {some(absent)} never occur" if absent else ""
        return [f"no file names its classes; they are called by their numbers, {some(self.vocab)}{gaps}"]

    def facts(self) -> dict[str, Any]:
        """What run.json records of the set."""
        return {**common_facts(self), "modalities": list(self.modalities), "stretch": self.stretch}

    @property
    def channel_names(self) -> tuple[str, ...]:
        """What the channels are called: the colours, then the modalities."""
        return (*(("red", "green", "blue") if self.colours == 3 else ("channel 0",)), *self.modalities)

    def subset(self, rows: np.ndarray) -> "FrameSource":
        """The set of some of its frames."""
        return replace(self, frames=[self.frames[row] for row in rows])

    def stored(self, row: int) -> np.ndarray:
        """A frame as float32 [C,H,W] in 0..1, as it is stored."""
        return read_joined(self.frames[row].files)

    def frame(self, row: int) -> np.ndarray:
        """A frame as it is trained on, float32 [C,H,W]: as stored, or stretched to 0..1."""
        return stretched(self.stored(row), self.stretch)

    def uses(self, rows: np.ndarray, most: int) -> list[Use]:
        """How each channel uses the range of its type, by at most so many of some rows."""
        return use_of(self.stored(int(row)) for row in some_of(rows, most))

    def measured_stretch(self, rows: np.ndarray) -> Stretch:
        """The range of each channel over the given rows, at most 100 of them."""
        return stretch_of(self.uses(rows, 100))

    def thumbnails(self, rows: np.ndarray) -> np.ndarray:
        """Small pictures of the colours of some frames, which near copies are looked for among: uint8 [n,C,32,32]."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            small = pool.map(lambda row: thumbnail_of(self.frame(int(row))[: self.colours]), rows)
            return np.stack(list(told(small, f"looking at {len(rows):,} frames", len(rows), TOLD_FROM)))

    def measured_stats(self, rows: np.ndarray) -> Stats:
        """Mean and std per channel in 0..1 over the given rows, at most 500 of them."""
        chosen = rows[:: max(1, len(rows) // 500)]
        sums = np.zeros((3, self.channels))
        for row in chosen:
            pixels = self.frame(int(row)).reshape(self.channels, -1).astype(np.float64)
            sums += [pixels.sum(axis=1), (pixels**2).sum(axis=1), np.full(self.channels, pixels.shape[1])]
        mean = sums[0] / sums[2]
        std = np.sqrt(np.maximum(sums[1] / sums[2] - mean**2, 1e-6))
        return tuple(mean.round(4).tolist()), tuple(std.round(4).tolist())
