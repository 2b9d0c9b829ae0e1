"""How far the further channels of frames lie off their colours: phase correlation of edges, combined over frames.

Sensors see other things in other tones, but mostly the same outlines. So each channel becomes a map of its edges, the
cross-power spectra of two maps are whitened and low-passed, and the correlations of all frames are added: what the
scenes have in common stands out in few frames, and a scene whose edges mislead does not matter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

GREY = np.array([0.299, 0.587, 0.114], np.float32)  # of RGB, ITU-R BT.601
BLUR = 1.5  # pixels: deviation of the Gaussian before the gradient, and of the one over the correlation
REACH = 32  # pixels: most of a shift that is looked for, and a quarter of the shorter side
MIDDLE = 1024  # pixels: of a larger frame only so much is looked at
AROUND = 4  # pixels around a peak that belong to it
# of 450 sets of ten real frames all had a peak of over 9, and sets whose modalities were mixed up under 5.3
SURE = 7.0  # least height of a peak, in deviations of the rest
LEAST_FRAMES, MOST_FRAMES = 10, 100  # to tell a set's shift from, and that are looked at
RESTING = 0.5  # of the pixels near the median, from which a channel is one of events: an edge map by itself
NEAR = 0.1  # of the range between the percentiles ENDS
ENDS = (0.1, 99.9)


@dataclass(frozen=True)
class Shift:
    """Where the content of a channel lies, seen from the colours.

    dy, dx: pixels down and to the right; height: of the correlation's peak, in deviations of the rest.
    """

    dy: float
    dx: float
    height: float

    @property
    def sure(self) -> bool:
        """Whether the peak stands out."""
        return self.height >= SURE

    @property
    def most(self) -> float:
        """The greater of both distances in pixels."""
        return max(abs(self.dy), abs(self.dx))

    def __str__(self) -> str:
        down, right = ("down" if self.dy >= 0 else "up"), ("right" if self.dx >= 0 else "left")
        return f"dy {self.dy:+.1f}, dx {self.dx:+.1f} pixels ({down}, {right})"


def grey_of(frame: np.ndarray) -> np.ndarray:
    """The grey of colours [C,H,W], float32 [H,W]: of RGB, or the first of fewer than three channels."""
    return np.tensordot(GREY, frame[:3].astype(np.float32), 1) if len(frame) >= 3 else frame[0].astype(np.float32)


def edges(channel: np.ndarray) -> np.ndarray:
    """Where a channel [H,W] changes, float32 [H,W], 0 where it does not; whatever its range is."""
    channel = channel.astype(np.float32)
    rest = np.median(channel)
    if _of_events(channel, rest):
        found = ndimage.gaussian_filter(np.abs(channel - rest), BLUR)
    else:
        blurred = ndimage.gaussian_filter(channel, BLUR)
        found = np.hypot(ndimage.sobel(blurred, 0), ndimage.sobel(blurred, 1))
    return np.log1p(found / max(float(found.mean()), 1e-12))


def _of_events(channel: np.ndarray, rest: float) -> bool:
    """Whether most pixels are at rest: at one value, or around the middle, with changes to both sides."""
    if (channel == rest).mean() > RESTING:
        return True
    low, high = np.percentile(channel, ENDS)
    inside = (np.abs(channel - rest) < NEAR * (high - low)).mean() > RESTING
    return bool(inside and abs(rest - (low + high) / 2) < NEAR * (high - low))


def correlations(frame: np.ndarray, n_rgb: int) -> np.ndarray:
    """The correlation of each further channel with the colours, float32 [C - n_rgb, 2R+1, 2R+1].

    frame: [C,H,W]; n_rgb: how many channels are the colours. The middle of a correlation means no shift.
    """
    height, width = frame.shape[1:]
    top, left = max(0, (height - MIDDLE) // 2), max(0, (width - MIDDLE) // 2)
    frame = frame[:, top : top + MIDDLE, left : left + MIDDLE]
    shape = frame.shape[1:]
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in shape)).astype(np.float32)
    low = np.exp(-2 * (np.pi * BLUR) ** 2 * (fft.fftfreq(shape[0])[:, None] ** 2 + fft.rfftfreq(shape[1]) ** 2))
    reach = min(REACH, min(shape) // 4)
    reference = _spectrum(edges(grey_of(frame[:n_rgb])), window)
    found = []
    for channel in frame[n_rgb:]:
        power = np.conj(reference) * _spectrum(edges(channel), window)
        surface = fft.irfft2(power / np.maximum(np.abs(power), 1e-12) * low, shape)
        found.append(np.roll(surface, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1])
    return np.array(found, np.float32).reshape(-1, 2 * reach + 1, 2 * reach + 1)


def _spectrum(values: np.ndarray, window: np.ndarray) -> np.ndarray:
    mean = float((values * window).sum() / window.sum())
    return fft.rfft2((values - mean) * window)


def peak_of(surface: np.ndarray) -> Shift:
    """The highest place of a correlation [2R+1,2R+1], between its pixels by a parabola."""
    reach = len(surface) // 2
    y, x = np.unravel_index(int(surface.argmax()), surface.shape)
    rest = np.ones(surface.shape, bool)
    rest[max(0, y - AROUND) : y + AROUND + 1, max(0, x - AROUND) : x + AROUND + 1] = False
    spread = float(surface[rest].std()) if rest.any() else 0.0
    height = float(surface[y, x] - surface[rest].mean()) / spread if spread > 0 else 0.0
    return Shift(y - reach + _between(surface[:, x], y), x - reach + _between(surface[y], x), height)


def _between(line: np.ndarray, place: int) -> float:
    """How far from a place of a line its maximum lies, -.5 to .5."""
    if not 0 < place < len(line) - 1:
        return 0.0
    before, top, after = map(float, line[place - 1 : place + 2])
    bend = before - 2 * top + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


@dataclass(frozen=True)
class Shifts:
    """Of each further channel the shift over all frames, and the one of each frame by itself.

    together: one a channel; alone: a list a frame, one a channel.
    """

    together: list[Shift]
    alone: list[list[Shift]]


def shifts_of(frames: Iterable[np.ndarray], n_rgb: int) -> Shifts:
    """The shift of each channel behind the colours.

    frames: [C,H,W] each, of the same channels and any sizes; n_rgb: how many of them are the colours.
    """
    surfaces = [correlations(frame, n_rgb) for frame in frames]
    reach = min(surface.shape[1] for surface in surfaces) // 2
    total = sum(_middle(surface, reach) for surface in surfaces)
    return Shifts([peak_of(surface) for surface in total], [[*map(peak_of, surface)] for surface in surfaces])


def _middle(surfaces: np.ndarray, reach: int) -> np.ndarray:
    cut = surfaces.shape[1] // 2 - reach
    return surfaces[:, cut : cut + 2 * reach + 1, cut : cut + 2 * reach + 1]


def moved(channel: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """A channel [H,W] moved down and to the right by whole pixels; its edge is repeated where nothing is left."""
    height, width = channel.shape
    rows, columns = np.arange(height) - dy, np.arange(width) - dx
    return channel[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)]


def aligned(frame: np.ndarray, n_rgb: int, shifts: Sequence[Shift]) -> np.ndarray:
    """A frame [C,H,W] whose further channels are moved onto the colours by whole pixels, where a shift is sure."""
    further = [
        moved(channel, -round(shift.dy), -round(shift.dx)) if shift.sure else channel
        for channel, shift in zip(frame[n_rgb:], shifts, strict=True)
    ]
    return np.concatenate([frame[:n_rgb], np.stack(further)]) if further else frame
