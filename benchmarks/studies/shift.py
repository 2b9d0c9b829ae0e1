"""Planted shifts between the modalities of small sets, found again: how many, how closely, and what is said of none.

    python benchmarks/studies/shift.py DATA [--trials 40] [--channel 3]
    python benchmarks/studies/shift.py --tiny

DATA is a detection set of frames with channels behind RGB, such as multimodal60; --tiny takes scenes of digits. A trial
is a set of ten frames, drawn or in a row, whose channel is moved by 2 to 8 pixels along one axis or both, rolled or cut
so that no pixel is made up. It is found where the estimate, less that of the untouched set, is within a pixel of the
truth. A lone frame is one of a set that alone is moved, by 6 to 8 pixels more. Prints a line a kind.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from learnerkit.detect.data.frames import read_frame, read_joined
from learnerkit.detect.data.scan import read_detection
from learnerkit.detect.data.scenes import make_digit_scenes
from learnerkit.detect.data.shift import shifts_of
from learnerkit.detect.shift import ALONE, CLEAR, FAR

N_RGB, TEN = 3, 10


def rolled(frame, channel, dy, dx):
    """The frame with one channel moved, what leaves at one edge coming in at the other."""
    frame = frame.copy()
    frame[channel] = np.roll(frame[channel], (dy, dx), (0, 1))
    return frame


def cut(frame, channel, dy, dx):
    """The same without what has no counterpart."""
    height, width = frame.shape[1:]
    kept = frame[:, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)].copy()
    kept[channel] = frame[channel, max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
    return kept


def planted(rng, trial):
    """A shift in whole pixels: along both axes, or one."""
    dy, dx = rng.integers(2, 9, 2) * rng.choice([-1, 1], 2)
    return int(dy) * (trial % 4 != 1), int(dx) * (trial % 4 != 2)


def study(frames, trials, channel, seed=0):
    """The lines that are printed."""
    rng, place = np.random.default_rng(seed), channel - N_RGB
    errors, before, sure, lone, strange = [], [], [], [], 0
    for trial in range(trials):
        start = int(rng.integers(0, len(frames) - TEN + 1))
        rows = rng.choice(len(frames), TEN, replace=False) if trial % 2 else np.arange(start, start + TEN)
        dy, dx = planted(rng, trial)
        move = cut if trial % 4 >= 2 else rolled
        untouched = shifts_of([frames[row] for row in rows], N_RGB)
        found = shifts_of([move(frames[row], channel, dy, dx) for row in rows], N_RGB).together[place]
        was = untouched.together[place]
        errors.append(max(abs(found.dy - was.dy - dy), abs(found.dx - was.dx - dx)))
        before.append(max(one.most for one in untouched.together))
        sure.append(min(found.height, was.height))
        far = [int(value) for value in rng.integers(6, 9, 2) * rng.choice([-1, 1], 2)]
        own = shifts_of([rolled(frames[rows[0]], channel, *far)], N_RGB).together[place]
        lone.append(own.height >= CLEAR and max(abs(own.dy - was.dy), abs(own.dx - was.dx)) >= ALONE)
        alone = [one[place] for one in untouched.alone]
        strange += sum(
            one.height >= CLEAR and max(abs(one.dy - was.dy), abs(one.dx - was.dx)) >= ALONE for one in alone
        )
    errors = np.array(errors)
    yield f"planted shifts found within 1 pixel: {(errors <= 1).sum()} of {trials}; worst error {errors.max():.2f}"
    yield f"least height of a peak: {min(sure):.1f}"
    warned = sum(most >= FAR for most in before)
    yield f"untouched sets that would be warned of: {warned} of {trials}; most {max(before):.2f}"
    yield f"lone frames moved by 6 to 8 pixels that are listed: {sum(lone)} of {trials}"
    yield f"untouched frames that are listed: {strange} of {trials * TEN}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--channel", type=int, default=N_RGB, help="which one is moved")
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    if arguments.tiny:
        with tempfile.TemporaryDirectory() as folder:
            make_digit_scenes(Path(folder), {"train": 20}, side=128)
            frames = [read_frame(file) for file in sorted((Path(folder) / "images").iterdir())]
        lines = study(frames, 4, N_RGB)
    elif arguments.data is None:
        parser.error("DATA, a detection set with channels behind RGB, or --tiny")
    else:
        lines = study(
            [read_joined(frame.files) for frame in read_detection(arguments.data).frames],
            arguments.trials,
            arguments.channel,
        )
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
