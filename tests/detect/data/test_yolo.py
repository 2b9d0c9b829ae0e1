"""YOLO labels: each bad line is named, and its image stays."""

import numpy as np
import pytest
import torch

from learnerkit.all import detection_dls
from learnerkit.core.errors import DataError
from learnerkit.detect.boxes import unpack_boxes
from learnerkit.detect.data.scan import read_detection
from tests.scenes import BAD_LINES, GOOD, reasons


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_bad_box_is_named_by_file_and_line_and_its_image_stays(scenes, kind):
    line, words = BAD_LINES[kind]
    (scenes / "labels" / "0003.txt").write_text(f"{GOOD}\n{line}\n1 0.2 0.2 0.1 0.1\n")
    (fault,) = reasons(scenes)
    assert fault.startswith("labels/0003.txt: line 2: ") and words in fault
    source = read_detection(scenes, "skip")
    row = source.ids.index("images/0003.npy")
    assert len(source) == 10 and source.codes[row].tolist() == [0, 1]
    assert [str(f) for f in source.quarantine] == [fault]


def test_clip_cuts_a_box_to_the_image_and_says_so(scenes):
    (scenes / "labels" / "0003.txt").write_text("0 0.95 0.5 0.2 0.2\n0 1.5 0.5 0.2 0.2\n")
    source = read_detection(scenes, "clip")
    row = source.ids.index("images/0003.npy")
    assert np.allclose(source.boxes[row], [[0.85 * 64, 0.4 * 64, 64, 0.6 * 64]], atol=1e-4)
    said = [str(fault) for fault in source.quarantine]
    assert said[0].endswith("clipped") and "line 1" in said[0] and "line 2" in said[1] and "clipped" not in said[1]


def test_rounding_at_the_edge_is_no_fault(scenes):
    (scenes / "labels" / "0003.txt").write_text("0 0.900001 0.5 0.2 0.2\n")
    source = read_detection(scenes)
    assert source.boxes[source.ids.index("images/0003.npy")].max() <= 64


def test_a_label_file_that_is_no_text(scenes):
    (scenes / "labels" / "0001.txt").write_bytes(b"\xff\xfe\x00\x01")
    (fault,) = reasons(scenes)
    assert "labels/0001.txt: is not a text file in UTF-8" in fault
    assert "images/0001.npy" not in read_detection(scenes, "skip").ids


def test_an_image_without_a_box_is_a_negative(scenes):
    (scenes / "labels" / "0001.txt").write_text("")
    source = read_detection(scenes)
    assert len(source.boxes[source.ids.index("images/0001.npy")]) == 0
    batch = detection_dls(scenes, bs=6).train.one_batch()
    assert sorted(len(unpack_boxes(rows.as_subclass(torch.Tensor))[0]) for rows in batch[2])[0] == 0


def test_a_set_without_any_box_is_refused(scenes):
    for file in (scenes / "labels").glob("*.txt"):
        file.write_text("")
    with pytest.raises(DataError, match="no box in any"):
        read_detection(scenes)


def test_every_fault_in_one_message(scenes):
    (scenes / "labels" / "0003.txt").write_text("0 2 2 1 1\n9 0.5 0.5 0.2 0.2\n")
    (scenes / "labels" / "0004.txt").unlink()
    np.save(scenes / "images" / "0005.npy", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(DataError) as raised:
        detection_dls(scenes)
    for words in ("0003.txt: line 1", "0003.txt: line 2", "images/0004.npy", "images/0005.npy", "--bad skip"):
        assert words in str(raised.value)
