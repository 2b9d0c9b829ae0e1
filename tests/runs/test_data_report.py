"""`learnerkit doctor DATA`: planted faults of every kind, what is counted, the files that it leaves, its exit codes."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from learnerkit import tasks
from learnerkit.core.errors import RecipeError
from learnerkit.pages.examined import Examined, report_text, table_text
from learnerkit.pages.page import Table
from learnerkit.runs.doctor import Diagnosis, examine
from tests.images import write_cifar10
from tests.pairs import write_pairs
from tests.scenes import GOOD, write_coco, write_scenes

FILES = {"data_report.json", "data_report.txt", "data_report.html", "figures"}
COMMON = {"kind", "samples", "usable", "faults", "fingerprint", "parts", "counted", "classes", "imbalance", "copies"}


def texture(seed, size=(48, 40)):
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def photographs(root, counts=None, parts=("train", "test")):
    """Pictures of two classes in parts, all different; counts: of each class in each part."""
    for number, part in enumerate(parts):
        for code, (name, n) in enumerate((counts or {"cat": 14, "dog": 14}).items()):
            folder = root / part / name
            folder.mkdir(parents=True)
            for k in range(n):
                texture(10_000 * number + 1000 * code + k).save(folder / f"{k}.png")
    return root


def looked(command, *words):
    """Exit code and the JSON document that the command prints."""
    code, out, _ = command("doctor", *words, "--json")
    return code, json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def said(document, level):
    return [line["text"] for line in document["lines"] if line["level"] == level]


def test_a_clean_set_is_clean_in_every_form(command, tmp_path):
    root = photographs(tmp_path / "set", {"cat": 100, "dog": 100}, ("train", "valid", "test"))
    code, found = looked(command, root, "--strict", "--out", tmp_path / "report")
    assert code == 0 and found["level"] == "ok" and not said(found, "warn")
    assert found["task"] == "classify" and found["data"] == str(root)
    assert any(line["text"].startswith("torch ") for line in found["installation"])
    facts = found["facts"]
    assert set(facts) == COMMON | {"sizes", "stored", "brightness", "near_copies"}
    assert facts["kind"] == "image folder" and facts["samples"] == facts["usable"] == 600 and facts["faults"] == []
    assert facts["parts"]["counts"] == {"train": 200, "valid": 200, "test": 200} and facts["parts"]["by"] == "files"
    assert facts["classes"][1] == {"name": "dog", "all": 300, "train": 100, "valid": 100, "test": 100}
    assert facts["imbalance"]["ratio"] == 1 and facts["imbalance"]["guess"] == 0.5
    assert facts["sizes"]["common"] == [{"width": 48, "height": 40, "images": 600}]
    assert facts["stored"]["modes"] == {"RGB": 600} and facts["copies"] == []
    assert set(os.listdir(tmp_path / "report")) == FILES
    kept = json.loads((tmp_path / "report" / "data_report.json").read_text())
    assert {**kept, "command": "doctor", "schema": 1} == found
    names = set(os.listdir(tmp_path / "report" / "figures"))
    drawn = ("class_distribution", "split_comparison", "brightness", "samples_1")
    assert names == {f"{name}.{kind}" for name in drawn for kind in ("png", "pdf")}
    page = (tmp_path / "report" / "data_report.html").read_text()
    assert page.count("data:image/png;base64,") == 4 and "clean" in page and "http" not in page
    text = (tmp_path / "report" / "data_report.txt").read_text()
    assert text.startswith("set: clean\n") and "dog       300  50.0%    100    100   100" in text


def test_exit_codes(command, tmp_path):
    root = photographs(tmp_path / "set", {"cat": 12, "dog": 60})  # as 5 to 1, and too few for a valid part
    assert looked(command, root)[0] == 0 and looked(command, root, "--strict")[0] == 1
    (root / "train" / "cat" / "0.png").write_bytes(b"")
    assert looked(command, root)[0] == 2 and looked(command, root, "--strict")[0] == 2
    code, _, err = command("doctor", "--out", tmp_path / "report")
    assert code == 2 and "--out: of which data?" in err
    code, _, err = command("doctor", tmp_path / "nowhere", "--out", tmp_path / "report")
    assert code == 2 and "nowhere: no such file or folder" in err and not (tmp_path / "report").exists()
    code, _, err = command("doctor", root, "--out", root / "report")
    assert code == 2 and "lies in" in err and not (root / "report").exists()


def broken(file):
    file.write_bytes(file.read_bytes()[:200])


def emptied(file):
    file.write_bytes(b"")


def half(file):
    file.rename(file.with_name(file.name + ".part"))


def sixteen_bits(file):
    Image.fromarray(np.random.default_rng(0).integers(0, 2**16, (40, 48), dtype=np.uint16)).save(file)


def contradicting(file):
    (file.parents[1] / "dog" / "0.png").write_bytes(file.read_bytes())


FAULTS = {
    "broken": (broken, "train/cat/0.png", "truncated"),
    "zero bytes": (emptied, "train/cat/0.png", "is empty (0 bytes)"),
    "half download": (half, "train/cat/0.png.part", "a download that did not end"),
    "16 bits among 8": (sixteen_bits, "train/cat/0.png", "16-bit pixels"),
    "one picture in two classes": (contradicting, "train/cat/0.png", "the same content as train/dog/0.png"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_of_each_kind_is_named_and_the_rest_is_told(command, tmp_path, kind):
    plant, file, reason = FAULTS[kind]
    root = photographs(tmp_path / "set")
    plant(root / "train" / "cat" / "0.png")
    code, found = looked(command, root, "--out", tmp_path / "report")
    assert code == 2 and found["level"] == "fault"
    (fault,) = [fault for fault in found["facts"]["faults"] if fault["file"] == file]
    assert reason in fault["reason"] and any(file in line and reason in line for line in said(found, "fault"))
    assert found["facts"]["usable"] == 56 - (2 if "two classes" in kind else 1)
    page = (tmp_path / "report" / "data_report.html").read_text()
    assert "Faults: to be mended" in page and file in page and "data:image/png" in page
    code, found = looked(command, root, "--bad", "skip")
    assert code == 0 and said(found, "fault") == [] and len(found["facts"]["faults"]) >= 1


def grey(root):
    texture(5).convert("L").save(root / "train" / "cat" / "0.png")


def cmyk(root):
    (root / "train" / "cat" / "0.png").unlink()
    texture(5).convert("CMYK").save(root / "train" / "cat" / "0.jpg")


def one_colour(root):
    Image.new("RGB", (48, 40), (90, 90, 90)).save(root / "train" / "cat" / "0.png")


def black(root):
    Image.fromarray(np.random.default_rng(0).integers(0, 8, (40, 48, 3), dtype=np.uint8)).save(
        root / "train" / "cat" / "0.png"
    )


def turned(root):
    exif = Image.Exif()
    exif[274] = 3
    texture(0).save(root / "train" / "cat" / "0.png", exif=exif)


def another_size(root):
    texture(5, (30, 30)).save(root / "train" / "cat" / "0.png")


def copied(root):
    (root / "train" / "cat" / "again.png").write_bytes((root / "train" / "cat" / "0.png").read_bytes())


def copied_across(root):
    (root / "test" / "cat" / "again.png").write_bytes((root / "train" / "cat" / "0.png").read_bytes())


def near_copy(root):
    Image.open(root / "train" / "cat" / "0.png").transpose(0).save(root / "test" / "cat" / "near.png")  # mirrored


WARNINGS = {
    "grey among colours": (grey, "pixels of several kinds: 55 RGB, 1 L"),
    "CMYK": (cmyk, "1 image(s) are in CMYK"),
    "one colour": (one_colour, "1 of 56 images are one colour: train/cat/0.png"),
    "nearly black": (black, "1 of 56 images are nearly black: train/cat/0.png"),
    "turned": (turned, "1 image(s) are turned by their EXIF orientation"),
    "sizes": (another_size, "its images have 2 sizes in pixels; pass size= (--size), such as 48"),
    "copy within": (copied, "1 are equal to another, such as train/cat/again.png of train/cat/0.png"),
    "copy across": (copied_across, "1 of 29 test samples stand in the training part too, such as test/cat/again.png"),
    "near copy": (near_copy, "1 of 29 test samples are near copies of"),
}


@pytest.mark.parametrize("kind", WARNINGS)
def test_a_warning_of_each_kind(command, tmp_path, kind):
    plant, text = WARNINGS[kind]
    root = photographs(tmp_path / "set")
    assert not any(text in line for line in said(looked(command, root)[1], "warn"))
    plant(root)
    code, found = looked(command, root)
    assert code == 0 and sum(text in line for line in said(found, "warn")) == 1, said(found, "warn")


@pytest.mark.parametrize("plant, name", [(copied_across, "copies"), (near_copy, "near_copies"), (copied, "copies")])
def test_pairs_are_shown(command, tmp_path, plant, name):
    root = photographs(tmp_path / "set")
    plant(root)
    _, found = looked(command, root, "--out", tmp_path / "report")
    (pair,) = found["facts"][name]
    assert set(pair) == {"name", "part", "other", "other_part", "kind", "score"}
    assert pair["kind"] == ("equal" if name == "copies" else "mirrored")
    with Image.open(tmp_path / "report" / "figures" / f"{name}.png") as image:
        assert np.asarray(image.convert("L")).std() > 20
    page = (tmp_path / "report" / "data_report.html").read_text()
    assert pair["name"] in page and pair["other"] in page


def test_a_class_folder_that_is_empty_and_a_table_of_missing_pictures(command, tmp_path):
    root = photographs(tmp_path / "set", parts=("",))
    (root / "bird").mkdir()
    code, found = looked(command, root)
    assert code == 2 and "class folder(s) without a picture: bird" in said(found, "fault")[0]
    (root / "bird").rmdir()
    (root / "labels.csv").write_text("file,label\ncat/0.png,cat\ndog/1.png,dog\ndog/99.png,dog\n")
    code, found = looked(command, root)
    assert code == 2 and "dog/99.png: line 4: no such file" in said(found, "fault")[0] and found["facts"] == {}


def test_an_official_batch_that_is_missing_or_cut(command, tmp_path):
    root = write_cifar10(tmp_path / "c")
    (root / "data_batch_3").unlink()
    (root / "test_batch").write_bytes((root / "test_batch").read_bytes()[:500])
    (root / "data_batch_5.aria2").write_bytes(b"x")
    code, found = looked(command, root)
    files = {fault["file"]: fault["reason"] for fault in found["facts"]["faults"]}
    assert code == 2 and files["data_batch_3"] == "is missing" and "truncated" in files["test_batch"]
    assert files["data_batch_5.aria2"].startswith("data_batch_5 is not downloaded whole")
    assert found["facts"]["usable"] == 80 and found["facts"]["samples"] == 120


@pytest.mark.parametrize("lost", ["train", "test", "meta"])
def test_cifar100_without_one_of_its_files_is_known(command, real_data, tmp_path, lost):
    for name in {"train", "test", "meta"} - {lost}:
        (tmp_path / "c" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "c" / name).symlink_to(real_data / "cifar-100-python" / name)
    code, found = looked(command, tmp_path / "c")
    assert code == 2 and f"{lost}: is missing" in said(found, "fault")


@pytest.mark.parametrize("content, reason", [(b"", "is empty (0 bytes)"), (b"\x1f\x8b\x08\x00abc", "no whole archive")])
def test_an_archive_that_did_not_come_whole(command, tmp_path, content, reason):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(content)
    code, found = looked(command, tmp_path / "cifar-10-python.tar.gz")
    assert code == 2 and reason in said(found, "fault")[0] and "\n" not in said(found, "fault")[0]


def test_frames_that_are_half_there(command, tmp_path):
    root = write_scenes(tmp_path / "set")
    (root / "images" / "0003.npy").unlink()
    (root / "labels" / "0004.txt").unlink()
    (root / "images" / "0005.npy").write_bytes(b"")
    (root / "images" / "0006.npy.part").write_bytes(b"x")
    (root / "labels" / "0001.txt").write_text(f"{GOOD}\n0 1.5 0.5 0.2 0.2\n7 0.5 0.5 0.1 0.1\n")
    code, found = looked(command, root)
    reasons = {(fault["file"], fault["place"]): fault["reason"] for fault in found["facts"]["faults"]}
    assert code == 2 and "has no image in images/" in reasons["labels/0003.txt", ""]
    assert "has no label file" in reasons["images/0004.npy", ""]
    assert reasons["images/0005.npy", ""] == "is empty (0 bytes); fetch it again"
    assert "did not end" in reasons["images/0006.npy.part", ""]
    assert "lies outside the image" in reasons["labels/0001.txt", "line 2"]
    assert "class 7 is not in 0..1" in reasons["labels/0001.txt", "line 3"]


def test_annotations_without_their_images(command, tmp_path):
    root = write_scenes(tmp_path / "set")
    write_coco(root)
    (root / "images" / "0003.npy").unlink()
    code, found = looked(command, root)
    assert code == 2 and any("its image 0003.npy is not there" in line for line in said(found, "fault"))


@pytest.mark.slow
def test_frames_are_counted(command, tmp_path):
    root = write_scenes(tmp_path / "set", n=12)
    for number in range(12):  # 8x8, 40x40 and 100x100 pixels of 128x128
        np.save(
            root / "images" / f"{number:04d}.npy",
            np.random.default_rng(number).integers(0, 255, (128, 128, 5), np.uint8),
        )
        lines = ["0 0.5 0.5 0.0625 0.0625", "0 0.5 0.5 0.3125 0.3125", "1 0.5 0.5 0.78125 0.78125"]
        (root / "labels" / f"{number:04d}.txt").write_text("\n".join(lines[: number % 3 + 1]) + "\n")
    _, found = looked(command, root, "--out", tmp_path / "report")
    facts = found["facts"]
    assert set(facts) >= COMMON | {"boxes", "class_images", "class_sizes", "channels", "modalities", "near_copies"}
    assert facts["boxes"]["boxes"] == 24 and facts["boxes"]["sizes"] == {"small": 12, "medium": 8, "large": 4}
    assert facts["boxes"]["an_image"] == {"least": 1, "median": 2, "most": 3} and facts["boxes"]["without"] == 0
    assert facts["boxes"]["side"] == {"least": 8, "median": 24, "most": 100} and facts["boxes"]["tiny"] == 0
    assert facts["boxes"]["relative"]["most"] == pytest.approx(0.781)
    assert facts["class_images"] == {"square": 12, "bar": 4}
    assert facts["class_sizes"]["bar"] == {"small": 0, "medium": 0, "large": 4}
    assert [row["all"] for row in facts["classes"]] == [20, 4] and facts["counted"] == "boxes"
    assert facts["parts"]["counts"] == {"train": 8, "valid": 2, "test": 2}
    assert [row["train"] for row in facts["classes"]] == [13, 2]  # of rows 0 to 7: 1 2 3 1 2 3 1 2 boxes
    assert facts["modalities"] == ["thermal", "event"] and len(facts["channels"]) == 5
    names = set(os.listdir(tmp_path / "report" / "figures"))
    assert names >= {"boxes.png", "frames.png", "samples_1.png", "class_distribution.png", "split_comparison.png"}
    assert "Objects of each class" in (tmp_path / "report" / "data_report.html").read_text()


def test_pairs_of_maps_are_counted(command, tmp_path):
    root = tmp_path / "set"
    write_pairs(root, n=20)
    files = sorted(root.rglob("*.pt"))
    torch.save(torch.load(files[0], weights_only=True), files[0].with_name("0099.pt"))
    code, found = looked(command, root, "--out", tmp_path / "report")
    facts = found["facts"]
    assert code == 0 and found["task"] == "fuse"
    assert set(facts) == COMMON | {"shape", "source_images", "groups_by", "layers", "maps"}
    assert facts["samples"] == 61 and [row["all"] for row in facts["classes"]] == [21, 20, 20]
    assert facts["source_images"] == 60 and len(facts["copies"]) == 1
    assert set(facts["maps"]["saliency"]) == {"low", "high", "mean", "deviation", "stored"}
    assert set(os.listdir(tmp_path / "report" / "figures")) >= {"samples_1.png", "copies.png", "class_distribution.png"}
    files[1].write_bytes(b"")
    files[2].with_name("x.pt.part").write_bytes(b"x")
    code, found = looked(command, root)
    assert code == 2 and {fault["file"].split("/")[-1] for fault in found["facts"]["faults"]} == {
        "0001.pt",
        "x.pt.part",
    }


class Fake:
    """A task of somebody else's that tells what it is given."""

    name = "fake"

    def __init__(self, told):
        self.told = told

    def verb(self, name):
        return lambda path, bad: self.told


@pytest.mark.parametrize("told", [[(None, "a line")], Examined([(None, "a line")], {"key": 1})])
def test_a_task_may_tell_lines_alone(monkeypatch, tmp_path, told):
    monkeypatch.setattr(tasks, "find_task", lambda path: Fake(told))
    found = examine(tmp_path)
    assert found.said == [(None, "a line")] and found.exit_code(strict=True) == 1 and found.exit_code() == 0
    assert json.loads(found.json())["facts"] == ({} if isinstance(told, list) else {"key": 1})


def test_a_task_that_tells_something_else_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(tasks, "find_task", lambda path: Fake("fine"))
    found = examine(tmp_path)
    assert found.said == [(False, "task 'fake': its examine gave a str; an Examined, or a list of (good, text)")]


def test_a_picture_that_cannot_be_drawn_is_said_and_the_rest_is_written(tmp_path):
    from learnerkit.runs.data_report import write_data_report

    def fail():
        raise OSError("the file is gone")

    told = Examined([(True, "fine")], figures={"bad": ("Bad", fail), "none": ("None", lambda: None)})
    found = Diagnosis(said=told.lines, path=tmp_path / "set", data=told)
    files = write_data_report(found, tmp_path / "report")
    assert [file.name for file in files] == ["data_report.json", "data_report.txt", "data_report.html"]
    assert (None, "the picture bad could not be drawn (the file is gone)") in found.said
    with pytest.raises(RecipeError, match="of which data"):
        write_data_report(Diagnosis(), tmp_path / "other")


def test_names_of_others_cannot_break_a_page(command, tmp_path):
    root = photographs(tmp_path / "set", {"<b>cat</b>": 14, "d$o$g": 14}, ("",))
    looked(command, root, "--out", tmp_path / "report")
    page = (tmp_path / "report" / "data_report.html").read_text()
    assert "<b>cat" not in page and "&lt;b&gt;cat" in page


def test_the_text_has_the_worst_first():
    told = Examined([(True, "good"), (None, "look"), (False, "bad")], tables=[Table("T", ("a", "bb"), [("x", "1")])])
    assert report_text("set: faults", told).splitlines()[:4] == [
        "set: faults",
        "  FAULT bad",
        "  warn  look",
        "  ok    good",
    ]
    assert table_text(told.tables[0]) == "T\n  a  bb\n  x   1"


def test_unfinished_files_are_named_where_the_set_cannot_be_opened(command, tmp_path):
    root = photographs(tmp_path / "set", parts=("",))
    for file in (root / "dog").iterdir():
        half(file)
    code, found = looked(command, root)
    assert code == 2 and "class folder(s) without a picture: dog" in said(found, "fault")[0]
    assert any(line.startswith("dog/0.png.part: a download that did not end") for line in said(found, "fault"))


def test_an_unfinished_file_is_told_once(command, tmp_path):
    root = photographs(tmp_path / "set", parts=("",))
    (root / "dog" / "more.png.part").write_bytes(b"x")
    (root / "dog" / "notes.txt").write_text("x")
    _, found = looked(command, root)
    assert [line["text"].split(":")[0] for line in found["lines"] if "more.png" in line["text"]] == [
        "dog/more.png.part"
    ]
    assert "1 file(s) of no picture format left out: dog/notes.txt" in said(found, "warn")


def test_a_report_replaces_the_pictures_of_an_earlier_one_alone(command, tmp_path):
    out = tmp_path / "report"
    root = photographs(tmp_path / "set", parts=("",))
    shutil.copy(root / "dog" / "0.png", root / "dog" / "copy.png")
    _, first = looked(command, root, "--out", out)
    (out / "figures" / "mine.png").write_bytes(b"x")
    (root / "dog" / "copy.png").unlink()
    _, second = looked(command, root, "--out", out)
    assert set(first["pictures"]) - set(second["pictures"]) == {"figures/copies.png"}
    left = {f"figures/{file.name}" for file in (out / "figures").iterdir()}
    vectors = {name.replace(".png", ".pdf") for name in second["pictures"]}
    assert left == {*second["pictures"], *vectors, "figures/mine.png"}
    (out / "data_report.json").write_text("[")
    assert looked(command, root, "--out", out)[1]["pictures"] == second["pictures"]


def test_a_set_without_parts_has_no_picture_of_them(command, tmp_path):
    root = photographs(tmp_path / "set", {"cat": 1, "dog": 1}, ("",))
    code, found = looked(command, root, "--out", tmp_path / "report")
    assert code == 2 and "the valid part is empty" in said(found, "fault")[0]
    assert not any("could not be drawn" in text for text in said(found, "warn"))


def test_frames_of_several_types_are_warned_of(command, tmp_path):
    root = write_scenes(tmp_path / "set")
    frame = np.load(root / "images" / "0004.npy")
    np.save(root / "images" / "0004.npy", frame.astype(np.uint16) * 257)
    _, found = looked(command, root)
    assert found["facts"]["stored"] == {"formats": {"npy": 10}, "modes": {"uint8": 9, "uint16": 1}, "turned": []}
    assert "pixels of several kinds: 9 uint8, 1 uint16" in said(found, "warn")


def test_the_counts_of_a_real_set_are_those_of_its_description(command, real_data):
    _, found = looked(command, real_data / "cifar-10-batches-py")
    facts = found["facts"]
    trained = [row["train"] + row["valid"] for row in facts["classes"]]
    assert trained == [508, 515, 478, 484, 527, 469, 497, 512, 518, 492]
    assert [row["test"] for row in facts["classes"]] == [103, 89, 100, 103, 90, 86, 112, 102, 106, 109]
    assert facts["kind"] == "CIFAR" and facts["parts"]["counts"] == {"train": 4500, "valid": 500, "test": 1000}
    across = [pair for pair in facts["near_copies"] if pair["part"] != pair["other_part"]]
    assert len(across) == 2 and len(facts["near_copies"]) == 7 and not facts["copies"]
    assert facts["brightness"]["mean"] == pytest.approx(np.mean((0.4914, 0.4822, 0.4465)), abs=0.01)


@pytest.mark.slow
def test_the_boxes_of_a_real_set_are_those_of_its_description(command, unpacked, tmp_path):
    _, found = looked(command, unpacked("multimodal60") / "multimodal60", "--out", tmp_path / "report")
    facts = found["facts"]
    keys = ("train", "valid")
    assert [[row[key] for key in keys] for row in facts["classes"]] == [[141, 42], [34, 2], [59, 25]]
    assert facts["boxes"]["boxes"] == 303 and facts["boxes"]["without"] == 0
    assert facts["boxes"]["side"]["least"] == pytest.approx(4.3, abs=0.05)
    assert {"shift_thermal.png", "shift_event.png", "frames.png"} <= set(os.listdir(tmp_path / "report" / "figures"))
