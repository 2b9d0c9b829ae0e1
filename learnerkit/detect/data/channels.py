"""How the channels of frames use the range of their type: what is wrong with one, and the stretch that uses it all."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from learnerkit.data.split import evenly

Stretch = tuple[tuple[float, ...], tuple[float, ...]]  # lowest and highest value a channel, in 0..1
LOOKED_AT = 20  # frames that the loader looks at
PIXELS = 50_000  # of a channel of a frame, for percentiles and counts
ENDS = (0.1, 99.9)  # percentiles between which a channel's use lies: single dead and hot pixels are outside
LEAST_USE = 1 / 20  # of the range
SATURATED = 0.2  # of the pixels at the lowest or the highest value
FEW_VALUES = 16  # a mask or events of few levels, whose ends are no limits of a sensor
BEYOND = 1.0  # of a stretched range that values may lie below and above it


@dataclass(frozen=True)
class Use:
    """What the values of one channel are, over some frames in 0..1.

    low, high, mean: of all pixels; first, last: percentiles `ENDS`, or low and high where they are one value.
    at_low, at_high: share of the pixels with the lowest and the highest value; values: how many different ones.
    twin: number of the first channel that is equal on all frames, the channel's own where none is before it.
    """

    low: float
    high: float
    mean: float
    first: float
    last: float
    at_low: float
    at_high: float
    values: int
    twin: int

    @property
    def constant(self) -> bool:
        """Whether all pixels are equal."""
        return self.low == self.high


def use_of(frames: Iterable[np.ndarray]) -> list[Use]:
    """How each channel is used; frames: float32 [C,H,W] in 0..1."""
    ends, means, some, digests = [], [], [], None
    for frame in frames:
        flat = frame.reshape(len(frame), -1)
        digests = digests or [hashlib.blake2b(digest_size=16) for _ in flat]
        for digest, channel in zip(digests, flat, strict=True):
            digest.update(np.ascontiguousarray(channel))
        ends.append((flat.min(axis=1), flat.max(axis=1)))
        means.append(flat.mean(axis=1, dtype=np.float64))
        some.append(flat[:, :: max(1, flat.shape[1] // PIXELS)])
    lows, highs = np.min([low for low, _ in ends], axis=0), np.max([high for _, high in ends], axis=0)
    names = [digest.digest() for digest in digests]
    return [
        _use(values, float(lows[number]), float(highs[number]), float(mean), names.index(names[number]))
        for number, (values, mean) in enumerate(zip(np.concatenate(some, axis=1), np.mean(means, axis=0), strict=True))
    ]


def _use(values: np.ndarray, low: float, high: float, mean: float, twin: int) -> Use:
    first, last = map(float, np.percentile(values, ENDS))
    if first == last:  # few pixels differ from the rest, as events do
        first, last = low, high
    shares = float((values == low).mean()), float((values == high).mean())
    return Use(low, high, mean, first, last, *shares, len(np.unique(values)), twin)


def complaints(uses: Sequence[Use], names: Sequence[str], n_rgb: int, stretched: bool = False) -> list[str]:
    """What is wrong with channels, a line a kind and channel; a constant one is told as nothing else.

    names: of the channels; n_rgb: how many are colours; stretched: whether narrow ranges are stretched anyway.
    """
    lines = []
    for number, (use, name) in enumerate(zip(uses, names, strict=True)):
        if use.constant:
            lines.append(f"{name} is {use.low:.3f} everywhere; a sensor that was off?")
            continue
        if use.last - use.first < LEAST_USE and not stretched:
            lines.append(
                f"{name} uses {use.first:.4f} to {use.last:.4f} of its range, under a twentieth of it; stats='data' "
                "(--stats data) stretches it"
            )
        # a channel of events, which most of the time has nothing to tell, rests at 0
        rests = number >= n_rgb and use.at_low > 0.5
        for share, end, value in ((use.at_low, "lowest", use.low), (use.at_high, "highest", use.high)):
            if share > SATURATED and use.values > FEW_VALUES and not (end == "lowest" and rests):
                lines.append(f"{name} is saturated: {share:.0%} of its pixels have its {end} value, {value:.4f}")
        if use.twin == number:
            equal = [other for other, of in zip(names, uses, strict=True) if of.twin == number]
            if len(equal) > 1:
                lines.append(f"{', '.join(equal)} are equal in every frame that was looked at")
    return lines


def stretch_of(uses: Sequence[Use]) -> Stretch:
    """What a stretch takes to 0 and to 1 in each channel; a constant one stays as it is."""
    ends = [(0.0, 1.0) if use.constant else (use.first, use.last) for use in uses]
    return tuple(low for low, _ in ends), tuple(high for _, high in ends)


def stretched(frame: np.ndarray, stretch: Stretch | None) -> np.ndarray:
    """A frame [C,H,W] with each channel's range at 0..1, as float32; without a stretch as it is.

    Values outside the range stay apart up to its whole length below and above, since a small hot object is a few
    pixels; what is further out is a fault of the sensor, and would spoil the deviation that frames are normalised with.
    """
    if stretch is None:
        return frame
    low, high = (np.array(ends, np.float32)[:, None, None] for ends in stretch)
    return ((frame - low) / (high - low)).clip(-BEYOND, 1 + BEYOND)


def some_of(rows: np.ndarray, most: int = LOOKED_AT) -> list[int]:
    """At most so many of the rows, evenly spaced."""
    return [int(rows[place]) for place in evenly(len(rows), most)]
