"""The numbers, tables and pictures of a detection set for its report."""

from collections import Counter
from functools import partial

import numpy as np

from learnerkit.core.levels import Line
from learnerkit.data.alike import alike_lines, equal_pairs, near_pairs
from learnerkit.data.balance import balance_lines, class_counts, imbalance, parts_by_row
from learnerkit.data.look_facts import light_facts, look_lines, size_facts
from learnerkit.data.split import Split
from learnerkit.detect.box_facts import TINY, box_facts, class_images, class_sizes, draw_boxes, size_table
from learnerkit.detect.data.channels import Use
from learnerkit.detect.data.source import FrameSource
from learnerkit.detect.sample_frames import draw_frames, frame_looks, objects_of, picture_of
from learnerkit.pages.data_sections import class_section, look_section, pairs_section, parts_section, samples_section
from learnerkit.pages.examined import Examined
from learnerkit.pages.page import Table

KIND = "detection set"
LOOKED_AT = 50  # frames whose channels are measured
TOO_TINY = 0.25  # of the boxes that are worth a warning


def add_overview(examined: Examined, source: FrameSource, split: Split | None, uses: list[Use]) -> None:
    """Add what is there to what is said of a set.

    split: as a training would deal it; None where it could not; uses: of each channel, over `LOOKED_AT` frames.
    """
    parts, facts = parts_by_row(split, len(source)), box_facts(source)
    examined.headlines[:0] = [("frames", f"{len(source):,}"), ("boxes", f"{facts['boxes']:,}")]
    examined.facts |= {"usable": len(source), "fingerprint": source.fingerprint, "boxes": facts}
    examined.facts |= {"class_images": class_images(source), "class_sizes": class_sizes(source)}
    if split is not None:
        examined.add(parts_section(split.counts, split.by))
    codes = np.concatenate(source.codes)
    owners = np.repeat(np.arange(len(source)), [len(codes) for codes in source.codes])
    classes = class_counts(codes, parts[owners], source.vocab)
    examined.add(
        class_section(
            classes, imbalance(classes), [*balance_lines(classes, "boxes", guessed=False), *_tiny(facts)], "boxes"
        )
    )
    examined.tables.append(size_table(source))
    examined.figures |= {
        "boxes": ("Sizes and numbers of the boxes", partial(draw_boxes, source)),
        "frames": ("Frames with their boxes", partial(draw_frames, source)),
    }
    present, objects = objects_of(source)
    names, counts = [source.vocab[code] for code in present], [classes[code]["all"] for code in present]
    examined.add(samples_section(names, counts, objects, "Objects of each class"))
    _add_channels(examined, source, uses)
    _add_looks(examined, source, parts)
    _add_alike(examined, source, split, parts)


def _tiny(facts: dict) -> list[Line]:
    if not facts["boxes"] or facts["tiny"] < TOO_TINY * facts["boxes"]:
        return []
    share = facts["tiny"] / facts["boxes"]
    return [
        (None, f"{share:.0%} of the boxes are under {TINY:g} pixels wide or high; a larger size= finds more of them")
    ]


def _add_channels(examined: Examined, source: FrameSource, uses: list[Use]) -> None:
    """The channels with the range that each uses."""
    named = list(zip(source.channel_names, uses, strict=True))
    keys = ("low", "high", "mean")
    examined.facts["channels"] = [
        {"name": name, **{key: round(float(getattr(use, key)), 4) for key in keys}} for name, use in named
    ]
    examined.facts["modalities"] = list(source.modalities)
    rows = [(name, *(f"{getattr(use, key):.3f}" for key in keys)) for name, use in named]
    note = f"in parts of the range of their type, over {min(LOOKED_AT, len(source))} frames"
    examined.tables.append(Table("Channels", ("channel", *keys), rows, note))


def _add_looks(examined: Examined, source: FrameSource, parts: np.ndarray) -> None:
    rows, looks = frame_looks(source)
    names = [source.ids[row] for row in rows]
    heights, widths = source.sizes.T
    suffixes = {file.suffix.lower().lstrip(".") for frame in source.frames for file in frame.files[:1]}
    counts = {
        suffix: sum(frame.files[0].suffix.lower() == f".{suffix}" for frame in source.frames) for suffix in suffixes
    }
    facts = {
        "sizes": size_facts(widths.tolist(), heights.tolist()),
        "stored": {"formats": counts, "modes": dict(Counter(look.mode for look in looks)), "turned": []},
        "brightness": light_facts(looks, names),
    }
    means = np.array([look.mean for look in looks])
    examined.add(look_section(facts, look_lines(facts), means, parts[rows], [], widths, heights))


def _add_alike(examined: Examined, source: FrameSource, split: Split | None, parts: np.ndarray) -> None:
    equal, near = equal_pairs(source, parts), near_pairs(source, split)
    rows = {name: row for row, name in enumerate(source.ids)}
    lines = alike_lines(source, equal, near, split)
    examined.add(pairs_section(equal, near, lines, lambda name: picture_of(source, rows[name])))
