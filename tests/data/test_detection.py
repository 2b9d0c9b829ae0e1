"""Detection sets: what is read, what is refused by file and line, and what a batch holds."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from learnerkit.all import combine_modalities, detection_dls, read_detection, verify
from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.data.detection import scan_detection
from learnerkit.data.detection_augment import AugmentFrames
from learnerkit.data.detection_block import channel_means, fixed_stats
from learnerkit.data.detection_listing import is_detection
from learnerkit.data.detection_transforms import resized
from learnerkit.data.detection_types import BoxTargets, TensorFrame
from learnerkit.data.frames import check_frame, read_frame
from learnerkit.ops.boxes import pack_boxes, unpack_boxes
from tests.scenes import write_scenes


@pytest.fixture
def scenes(tmp_path):
    return write_scenes(tmp_path / "set")


def reasons(path, clip=False):
    return [str(fault) for fault in scan_detection(path, clip)[1]]


# frames


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("kind", "top"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1), (np.float64, 1)])
def test_a_frame_is_scaled_by_the_range_of_its_type(tmp_path, kind, top, first):
    values = (np.arange(24 * 20 * 5).reshape(24, 20, 5) % 250 / 249 * top).astype(kind)
    np.save(tmp_path / "a.npy", values.transpose(2, 0, 1) if first else values)
    frame = read_frame(tmp_path / "a.npy")
    assert frame.shape == (5, 24, 20) and frame.dtype == np.float32
    assert np.allclose(frame, values.transpose(2, 0, 1).astype(np.float64) / top, atol=1e-7)


def test_a_16_bit_thermal_channel_keeps_its_precision(tmp_path):
    values = np.arange(400, dtype=np.uint16).reshape(20, 20) + 30000
    Image.fromarray(values).save(tmp_path / "t.png")
    frame = read_frame(tmp_path / "t.png")
    assert frame.shape == (1, 20, 20) and len(np.unique(frame)) == 400
    assert frame[0, 0, 1] == pytest.approx(30001 / 65535)


def test_two_dimensions_and_sixteen_channels(tmp_path):
    np.save(tmp_path / "grey.npy", np.zeros((20, 30), np.uint8))
    np.save(tmp_path / "many.npy", np.zeros((20, 30, 16), np.uint8))
    assert read_frame(tmp_path / "grey.npy").shape == (1, 20, 30)
    assert read_frame(tmp_path / "many.npy").shape == (16, 20, 30)


def test_a_picture_taken_with_a_turned_camera_is_read_upright(scenes):
    """Labels are drawn on what a viewer shows, and viewers turn pictures as EXIF says."""
    pixels = np.zeros((64, 40, 3), np.uint8)  # as shown: 64 high, 40 wide, red above
    pixels[:16] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show
    Image.fromarray(np.rot90(pixels)).save(scenes / "images" / "0009.jpg", exif=exif, quality=95)
    (scenes / "images" / "0009.npy").unlink()
    for file in (scenes / "images").glob("*.npy"):  # the others to three channels
        np.save(file, np.load(file)[:, :, :3])
    (scenes / "labels" / "0009.txt").write_text("0 0.5 0.125 1 0.25\n")
    source = read_detection(scenes)
    row = source.ids.index("images/0009.jpg")
    assert source.sizes[row].tolist() == [64, 40] and source.boxes[row].tolist() == [[0, 0, 40, 16]]
    frame = source.frame(row)
    assert frame[0, 4:12].min() > 0.9 and frame[:, 20:].max() < 0.1


def bad_frames():
    """What is written as a frame file, and a word of what is said of it."""

    def array(values):
        return lambda path: np.save(path, values)

    nan = np.zeros((64, 64, 5), np.float32)
    nan[3, 4, 3] = np.nan
    infinite = np.zeros((64, 64, 5), np.float64)
    infinite[0, 0, 0] = np.inf
    return {
        "nan": (array(nan), "NaN or infinite, the first in channel 3"),
        "infinite": (array(infinite), "NaN or infinite"),
        "float past 1": (array(np.full((64, 64, 5), 200.0, np.float32)), "floats are in 0..1"),
        "negative": (array(np.full((64, 64, 5), -0.5, np.float32)), "floats are in 0..1"),
        "int32": (array(np.zeros((64, 64, 5), np.int32)), "dtype int32"),
        "bool": (array(np.zeros((64, 64, 5), bool)), "dtype bool"),
        "complex": (array(np.zeros((64, 64, 5), complex)), "dtype complex"),
        "text": (array(np.full((64, 64, 5), "a")), "dtype <U1"),
        "objects": (array(np.array([{}], dtype=object)), "pickle"),
        "one dimension": (array(np.zeros(64, np.uint8)), "has the shape (64,)"),
        "four dimensions": (array(np.zeros((1, 64, 64, 5), np.uint8)), "has the shape (1, 64, 64, 5)"),
        "too many channels": (array(np.zeros((64, 64, 17), np.uint8)), "1 to 16"),
        "four channels": (array(np.zeros((64, 64, 4), np.uint8)), "has 4 channel(s); most have 5"),
        "empty": (lambda path: path.write_bytes(b""), ""),
        "cut": (lambda path: path.write_bytes(path.read_bytes()[:-100]), ""),
        "no npy": (lambda path: path.write_bytes(b"PK\x03\x04 nothing"), ""),
        "no pixel": (array(np.zeros((0, 64, 5), np.uint8)), "no pixel"),
    }


@pytest.mark.parametrize("kind", bad_frames())
def test_a_bad_frame_is_named_and_can_be_left_out(scenes, kind):
    write, words = bad_frames()[kind]
    write(scenes / "images" / "0001.npy")
    found = [text for text in reasons(scenes) if text.startswith("images/0001.npy: ")]
    assert len(found) == 1 and words in found[0], found
    assert not verify(scenes)
    with pytest.raises(DataError, match=r"images/0001\.npy"):
        read_detection(scenes)
    source = read_detection(scenes, "skip")
    assert len(source) == 9 and "images/0001.npy" not in source.ids
    assert any(fault.file == "images/0001.npy" for fault in source.quarantine)


# labels

GOOD = "0 0.5 0.5 0.2 0.2"
BAD_LINES = {
    "outside": ("0 1.5 0.5 0.2 0.2", "lies outside the image"),
    "past the edge": ("0 0.95 0.5 0.2 0.2", "reaches past the image"),
    "pixels": ("0 120 80 30 30", "lies outside the image"),
    "zero width": ("0 0.5 0.5 0 0.2", "both must be above 0"),
    "negative height": ("0 0.5 0.5 0.2 -0.1", "both must be above 0"),
    "class beyond names": ("2 0.5 0.5 0.2 0.2", "class 2 is not in 0..1"),
    "negative class": ("-1 0.5 0.5 0.2 0.2", "class -1 is not in 0..1"),
    "half class": ("0.5 0.5 0.5 0.2 0.2", "class 0.5 is not in 0..1"),
    "not a number": ("0 0.5 a 0.2 0.2", "'a' is not a number"),
    "nan": ("0 nan 0.5 0.2 0.2", "holds nan"),
    "infinite": ("0 0.5 0.5 inf 0.2", "holds inf"),
    "extra column": ("0 0.5 0.5 0.2 0.2 0.9", "has 6 columns"),
    "missing column": ("0 0.5 0.5 0.2", "has 4 columns"),
    "duplicate": (GOOD, "is the same box as line 1"),
    "commas": ("0,0.5,0.5,0.2,0.2", "has 1 columns"),
}


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


def test_files_that_do_not_pair(scenes):
    (scenes / "labels" / "0001.txt").unlink()
    (scenes / "labels" / "zzzz.txt").write_text(GOOD)
    shutil.copy(scenes / "images" / "0002.npy", scenes / "images" / "0002.NPY")
    Image.new("RGB", (64, 64)).save(scenes / "images" / "0004.png")
    said = "\n".join(reasons(scenes))
    assert "images/0001.npy: has no label file labels/0001.txt; an image without objects has an empty one" in said
    assert "labels/zzzz.txt: has no image in images/" in said
    assert "has the same name as" in said
    assert "images/0001.npy" not in read_detection(scenes, "skip").ids


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


# names and parts


def test_names_from_data_yaml_and_without_any(scenes):
    (scenes / "classes.txt").unlink()
    assert read_detection(scenes).vocab == ["0", "1"]
    (scenes / "data.yaml").write_text("nc: 3\nnames: {0: cat, 1: dog, 2: bird}\n")
    assert read_detection(scenes).vocab == ["cat", "dog", "bird"]
    (scenes / "data.yaml").write_text("names: [cat, cat]\n")
    with pytest.raises(DataError, match="'cat' stands twice"):
        read_detection(scenes)


def test_parts_come_from_the_lists(scenes):
    split = detection_dls(scenes).split
    assert split.counts == {"train": 6, "valid": 2, "test": 2}
    (scenes / "val.txt").write_text("0007\n./images/0000.npy\nnobody\n")
    said = reasons(scenes)
    assert said == [
        "val.txt: line 2: './images/0000.npy' stands in train.txt line 1 already",
        "val.txt: line 3: 'nobody' names no image",
    ]


def test_parts_by_lot_keep_copies_together(tmp_path):
    root = write_scenes(tmp_path / "set", n=20, parts=False)
    for number in range(1, 20, 2):
        shutil.copy(root / "images" / f"{number - 1:04d}.npy", root / "images" / f"{number:04d}.npy")
    first, again, other = (detection_dls(root, split=(0.6, 0.2, 0.2), seed=seed).split for seed in (1, 1, 2))
    parts = [set((rows // 2).tolist()) for rows in (first.train, first.valid, first.test)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert sum(first.counts.values()) == 20
    assert np.array_equal(first.train, again.train) and not np.array_equal(first.train, other.train)


def test_parts_from_folders(tmp_path):
    root = write_scenes(tmp_path / "set", parts=False)
    for part, names in (("train", range(6)), ("val", range(6, 10))):
        for kind, suffix in (("images", "npy"), ("labels", "txt")):
            (root / kind / part).mkdir()
            for name in names:
                (root / kind / f"{name:04d}.{suffix}").rename(root / kind / part / f"{name:04d}.{suffix}")
    assert detection_dls(root).split.counts == {"train": 6, "valid": 4, "test": 0}


# COCO


def write_coco(scenes, **changes):
    """The scenes with annotations.json instead of labels."""
    source = read_detection(scenes)
    content = {"images": [], "annotations": [], "categories": [{"id": 7, "name": "square"}, {"id": 3, "name": "bar"}]}
    for row, name in enumerate(source.ids):
        entry = {"id": 100 + row, "file_name": name.removeprefix("images/"), "width": 64, "height": 64}
        content["images"].append(entry)
        for box, code in zip(source.boxes[row].tolist(), source.codes[row].tolist(), strict=True):
            place = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            annotation = {"id": len(content["annotations"]), "image_id": 100 + row, "category_id": (7, 3)[code]}
            content["annotations"].append({**annotation, "bbox": place, "iscrowd": 0})
    shutil.rmtree(scenes / "labels")
    (scenes / "annotations.json").write_text(json.dumps(content | changes))
    return source, content


def test_coco_annotations_are_the_same_set(scenes):
    source, _ = write_coco(scenes)
    read = read_detection(scenes)
    assert is_detection(scenes) and read.vocab == ["bar", "square"]  # in the order of their ids
    for row, name in enumerate(read.ids):
        other = source.ids.index(name)
        assert np.allclose(read.boxes[row], source.boxes[other], atol=1e-3)
        assert (1 - read.codes[row]).tolist() == source.codes[other].tolist()
    assert len(read_detection(scenes / "annotations.json")) == 10


def test_bad_coco_annotations_are_named(scenes):
    _, content = write_coco(scenes)
    content["annotations"][0]["bbox"] = [10, 10, 0, 5]
    content["annotations"][1]["bbox"] = [60, 10, 30, 5]
    content["annotations"][2]["bbox"] = "10 10 5 5"
    content["annotations"][3]["category_id"] = 99
    content["annotations"][4]["image_id"] = 4711
    content["images"][9]["file_name"] = "../../etc/passwd"
    content["images"][8]["width"] = 640
    (scenes / "annotations.json").write_text(json.dumps(content))
    said = "\n".join(reasons(scenes))
    for words in (
        "annotation 0: the box has the size 0 x 5",
        "annotation 1: the box [60, 10, 30, 5] reaches past",
        "annotation 2: bbox is '10 10 5 5'",
        "annotation 3: category 99",
        "image 4711",
        "../../etc/passwd is not there",
        "says 0008.npy is 640x64 pixels; it is 64x64",
    ):
        assert words in said, said


def test_crowd_regions_are_left_out(scenes):
    _, content = write_coco(scenes)
    content["annotations"][0]["iscrowd"] = 1
    (scenes / "annotations.json").write_text(json.dumps(content))
    assert sum(map(len, read_detection(scenes).boxes)) == len(content["annotations"]) - 1


# batches


def test_frames_of_different_sizes_make_one_batch(scenes):
    np.save(scenes / "images" / "0000.npy", np.full((40, 90, 5), 200, np.uint8))
    dls = detection_dls(scenes, bs=6, flip=False)
    frames, sizes, boxes = dls.train.one_batch()
    assert isinstance(boxes, BoxTargets) and len(boxes) == 6 and frames.shape == (6, 5, 64, 90)
    place = sizes.tolist().index([40, 90])
    assert frames[place, :, 40:].abs().max() == 0 and sizes[place].tolist() == [40, 90]
    mean, std = fixed_stats(5)
    expected = (200 / 255 - torch.tensor(mean)) / torch.tensor(std)
    assert torch.allclose(frames[place, :, 0, 0].as_subclass(torch.Tensor), expected, atol=1e-5)
    other = (place + 1) % 6
    assert frames[other, :, :, 64:].abs().max() == 0


def test_fixed_and_measured_statistics(scenes):
    assert fixed_stats(5) == ((0.485, 0.456, 0.406, 0.5, 0.5), (0.229, 0.224, 0.225, 0.5, 0.5))
    assert fixed_stats(1) == ((0.5,), (0.5,))
    dls = detection_dls(scenes, bs=6, flip=False, stats="data")
    frames = dls.train.one_batch()[0].as_subclass(torch.Tensor)
    assert frames.mean(dim=(0, 2, 3)).abs().max() < 1e-2 and (frames.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-2


def test_resizing_moves_the_boxes(scenes):
    plain, larger = detection_dls(scenes, bs=2), detection_dls(scenes, bs=2, size=128)
    first, second = plain.valid.one_batch(), larger.valid.one_batch()
    assert second[0].shape[2:] == (128, 128) and second[1].tolist() == [[128, 128]] * 2
    held = first[2][..., 4] >= 0
    assert torch.allclose(second[2][held][:, :4], 2 * first[2][held][:, :4])
    assert resized((240, 320), 160) == (120, 160)


def test_workers_change_nothing(scenes):
    def batches(workers):
        dls = detection_dls(scenes, bs=2, scale_jitter=0.3, iou_crop=0.5, colour=0.8, num_workers=workers)
        dls.train.rng.seed(3)
        return [part.as_subclass(torch.Tensor) for batch in dls.train for part in batch]

    first, second = batches(0), batches(2)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_mirror_moves_boxes_with_pixels():
    frame = torch.zeros(5, 20, 40)
    frame[:, 4:9, 3:11] = 1
    boxes = pack_boxes(torch.tensor([[3.0, 4, 11, 9]]), torch.tensor([1]), 3)
    augment = AugmentFrames(mirror=True)
    seen = set()
    for seed in range(8):
        torch.manual_seed(seed)
        image, rows = augment((frame.as_subclass(TensorFrame), boxes.as_subclass(BoxTargets)), split_idx=0)
        x1, y1, x2, y2 = rows[0, :4].int().tolist()
        assert image[:, y1:y2, x1:x2].min() == 1 and image.sum() == 5 * 40
        seen.add(x1)
    assert seen == {3, 29}


@pytest.mark.parametrize("settings", [{"crop": 1.0}, {"jitter": 0.4}, {"crop": 1.0, "jitter": 0.4, "mirror": True}])
def test_boxes_stay_on_their_objects(settings):
    """A bright object in the dark: where a box is left, it is bright inside and dark around."""
    frame = torch.zeros(5, 60, 80)
    frame[:, 20:40, 30:60] = 1
    boxes = pack_boxes(torch.tensor([[30.0, 20, 60, 40]]), torch.tensor([0]), 2)
    augment = AugmentFrames(**{"mirror": False, **settings})
    changed = 0
    for seed in range(20):
        torch.manual_seed(seed)
        image, rows = augment((frame.as_subclass(TensorFrame), boxes.as_subclass(BoxTargets)), split_idx=0)
        image, (held, codes) = image.as_subclass(torch.Tensor), unpack_boxes(rows.as_subclass(torch.Tensor))
        assert len(rows) == 2 and len(held) == len(codes) <= 1
        changed += image.shape != frame.shape
        for x1, y1, x2, y2 in held.round().int().tolist():
            assert 0 <= x1 < x2 <= image.shape[2] and 0 <= y1 < y2 <= image.shape[1]
            assert image[:, y1 + 1 : y2 - 1, x1 + 1 : x2 - 1].min() > 0.5
            outside = image.clone()
            outside[:, max(0, y1 - 1) : y2 + 1, max(0, x1 - 1) : x2 + 1] = 0
            assert outside.max() < 0.5
    assert changed > 5


def test_colours_change_rgb_alone():
    frame = torch.rand(5, 20, 20)
    item = frame.as_subclass(TensorFrame), pack_boxes(torch.zeros(0, 4), torch.zeros(0), 2).as_subclass(BoxTargets)
    image, _ = AugmentFrames(mirror=False, colour=1.0)(item, split_idx=0)
    assert torch.equal(image[3:].as_subclass(torch.Tensor), frame[3:])
    assert not torch.equal(image[:3].as_subclass(torch.Tensor), frame[:3])


def test_modality_dropout_switches_off_one_channel_behind_rgb(scenes):
    dls = detection_dls(scenes, bs=6, flip=False, modality_dropout=1.0)
    frames = dls.train.one_batch()[0].as_subclass(torch.Tensor)
    off = frames.std(dim=(2, 3)) < 1e-6
    assert off.sum(dim=1).tolist() == [1] * 6 and not off[:, :3].any()
    means = torch.tensor(channel_means(dls.source, dls.split.train))
    assert torch.allclose(frames.mean(dim=(2, 3))[off], means.expand(6, 5)[off], atol=1e-5)
    assert not (dls.valid.one_batch()[0].std(dim=(2, 3)) < 1e-6).any()


def test_a_mirror_that_makes_another_class_is_refused(scenes):
    with pytest.raises(DataError, match="mirror"):
        detection_dls(scenes, flip=True, keeps=())


# combining


def picture(path, size, value, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def test_modalities_are_combined(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / "rgb" / f"{name}.png", (40, 30), (255, 128, 0))
        picture(tmp_path / "thermal" / f"{name}.png", (20, 15), 51, "L")
        picture(tmp_path / "event" / f"{name}.png", (40, 30), 0, "L")
    report = combine_modalities(tmp_path / "rgb", tmp_path / "thermal", tmp_path / "event", tmp_path / "out")
    frame = np.load(tmp_path / "out" / "images" / "a.npy")
    assert frame.shape == (30, 40, 5) and frame.dtype == np.uint8
    assert frame[0, 0].tolist() == [255, 128, 0, 51, 0]
    assert [fault.file for fault in report.faults] == ["a", "b"] and "20x15" in report.faults[0].reason


def test_16_bits_stay_16_bits(tmp_path):
    picture(tmp_path / "rgb" / "a.png", (8, 6), (255, 0, 0))
    thermal = np.full((6, 8), 30001, np.uint16)
    (tmp_path / "thermal").mkdir()
    Image.fromarray(thermal).save(tmp_path / "thermal" / "a.png")
    combine_modalities(tmp_path / "rgb", tmp_path / "thermal", None, tmp_path / "out")
    frame = np.load(tmp_path / "out" / "images" / "a.npy")
    assert frame.dtype == np.uint16 and frame[0, 0].tolist() == [65535, 0, 0, 30001]


def test_missing_parts_are_refused_and_nothing_is_written(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / "rgb" / f"{name}.png", (8, 6), (255, 0, 0))
    picture(tmp_path / "thermal" / "a.png", (8, 6), 7, "L")
    with pytest.raises(DataError, match=r"b: is missing in .*thermal"):
        combine_modalities(tmp_path / "rgb", tmp_path / "thermal", None, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    combine_modalities(tmp_path / "rgb", tmp_path / "thermal", None, tmp_path / "out", bad="skip")
    assert [file.name for file in (tmp_path / "out" / "images").iterdir()] == ["a.npy"]


def test_what_is_no_detection_set(tmp_path):
    with pytest.raises(LearnerkitError, match="no such file"):
        read_detection(tmp_path / "nothing")
    with pytest.raises(LearnerkitError, match="annotations"):
        read_detection(tmp_path)


def test_headers_are_parsed_by_one_thread_at_a_time(tmp_path, monkeypatch):
    """numpy parses a header with ast.literal_eval, which older Pythons cannot do in two threads at once."""
    files = [tmp_path / f"{number}.npy" for number in range(16)]
    for file in files:
        np.save(file, np.zeros((4, 4, 5), np.uint8))
    load, inside, most = np.load, [], []

    def slow(*args, **kwargs):
        inside.append(1)
        most.append(len(inside))
        time.sleep(2e-3)
        array = load(*args, **kwargs)
        inside.pop()
        return array

    monkeypatch.setattr(np, "load", slow)
    with ThreadPoolExecutor(4) as pool:
        assert [reason for reason, _ in pool.map(check_frame, files)] == [""] * len(files)
    assert max(most) == 1
