"""A table of file, label and part beside pictures: its forms, what it leaves out, and all that it says wrongly."""

import warnings

import numpy as np
import pytest
from PIL import Image

from learnerkit.all import Run, evaluate_run, folder_dls
from learnerkit.classify.folder import list_folder
from learnerkit.core.errors import DataError
from tests.conftest import toy_learner
from tests.images import image_folder

PARTS = ("train", "train", "val", "Test")


@pytest.fixture
def folder(tmp_path):
    """Class folders a and b of 24 pictures each."""
    return image_folder(tmp_path / "set", 48)


def names(root):
    return sorted(file.relative_to(root).as_posix() for file in root.rglob("*.png"))


def write(root, rows, head="file,label,part", name="parts.csv", encoding="utf-8"):
    (root / name).write_text("\n".join([head, *rows]) + "\n", encoding=encoding)
    return root


def dealt(root):
    return [f"{name},{name[0]},{PARTS[number % 4]}" for number, name in enumerate(names(root))]


@pytest.mark.parametrize(
    ("head", "delimiter", "encoding", "name"),
    [
        ("file,label,part", ",", "utf-8", "parts.csv"),
        ("Filename;Class;Split", ";", "utf-8-sig", "list.csv"),
        ("image\tcategory\tsubset", "\t", "utf-8", "all.tsv"),
    ],
)
def test_parts_by_a_table(folder, head, delimiter, encoding, name):
    rows = [row.replace(",", delimiter) for row in dealt(folder)]
    dls = folder_dls(write(folder, rows, head, name, encoding), bs=8, size=12)
    listed = names(folder)
    assert dls.split.counts == {"train": 24, "valid": 12, "test": 12} and list(dls.vocab) == ["a", "b"]
    assert dls.split.by == "files"
    assert dls.ids("train") == [one for number, one in enumerate(listed) if number % 4 < 2]
    assert dls.ids("test") == [one for number, one in enumerate(listed) if number % 4 == 3]


def test_names_in_other_words_and_columns_that_lack(folder):
    windows = ["set\\" + name.replace("/", "\\") for name in names(folder)]
    listing = list_folder(write(folder, [f"{name},{name[4]}" for name in windows], "path,label"))
    assert len(listing.files) == 48 and set(listing.parts) == {""}
    write(folder, [f"{name.split('/')[1]},test" for name in names(folder)][:24], "name,part")
    with pytest.raises(DataError, match="names no columns file, label, part"):
        list_folder(folder, parts="parts.csv")
    write(folder, [f"{name.split('/')[1].removesuffix('.png')},train" for name in names(folder)], "id,part")
    assert set(list_folder(folder).parts) == {"train"}


def test_what_a_table_does_not_list_is_left_out_and_said(folder):
    write(folder, dealt(folder)[:40])
    with pytest.warns(UserWarning, match=r"8 picture\(s\) not in parts\.csv left out: b/033\.png"):
        dls = folder_dls(folder, bs=8, size=12)
    assert len(dls.source) == 40 and any("8 picture(s)" in note for note in dls.facts()["notes"])
    write(folder, [f"{name},a,train" for name in names(folder) if name[0] == "a"])
    with pytest.raises(DataError, match=r"parts\.csv: one class only \('a'\)"):
        list_folder(folder)


def test_everything_wrong_is_named_in_one_message(folder):
    (folder / "c.png").write_bytes((folder / "a" / "000.png").read_bytes())
    (folder / "b" / "000.png").write_bytes((folder / "b" / "001.png").read_bytes())
    rows = [
        "a/000.png,a,train",
        "a/gone.png,a,train",
        "a/000.png,a,test",
        "a/002.png,b,train",
        "b/001.png,b,later",
        "c.png,a,train",
        "000.png,x,train",
        "b/003.png,,train",
    ]
    with pytest.raises(DataError) as caught:
        list_folder(write(folder, rows))
    text = str(caught.value)
    for line in (
        "parts.csv: 7 fault(s) in 8 lines",
        "a/gone.png: line 3: no such file",
        "a/000.png: line 4: is listed twice, in line 2 too",
        "a/002.png: line 5: label 'b', and it lies in the folder of 'a'",
        "b/001.png: line 6: part 'later' is none of train, valid, test",
        "c.png: line 7: is no picture in a class",
        "000.png: line 8: names 2 files; give its path below set/",
        "b/003.png: line 9: has no label",
    ):
        assert line in text, (line, text)


def test_a_part_that_a_folder_says_otherwise(tmp_path):
    root = image_folder(tmp_path / "set" / "train", 16).parent
    image_folder(root / "test", 16, seed=1)
    write(root, ["train/a/000.png,train", "test/a/000.png,train", "test/b/001.png,test"], "file,part")
    with pytest.raises(DataError, match=r"line 3: part 'train', and it lies in the folder of 'test'"):
        list_folder(root)


@pytest.mark.parametrize("inner", ["", "images", "train"])
def test_flat_pictures_have_their_classes_of_the_table(tmp_path, inner):
    root, rows = tmp_path / "flat", []
    (root / inner).mkdir(parents=True)
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 90, (12, 12, 3), dtype=np.uint8) + 120 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(root / inner / f"{number:02d}.png")
        rows.append(f"{number:02d},{'dark light'.split()[number % 2]}")
    write(root, rows[:38], "image_id,label", "train.csv")
    with pytest.warns(UserWarning, match=r"2 picture\(s\) not in train\.csv left out"):
        dls = folder_dls(root, bs=8, size=12)
    assert list(dls.vocab) == ["dark", "light"] and len(dls.source) == 38
    assert dls.source.labels.tolist() == [number % 2 for number in range(38)]
    learn = toy_learner([Run(tmp_path / "runs", "a", report=False)], dls)
    learn.fit(1)
    with warnings.catch_warnings(action="ignore"):  # it is its own training part
        found = evaluate_run(tmp_path / "runs" / "a", data=root)[1]
    assert found["images"] == 38 and "all_accuracy" in found


def test_which_table_counts(folder, tmp_path):
    write(folder, dealt(folder))
    write(folder, dealt(folder)[14:34], name="less.csv")
    with pytest.raises(DataError, match=r"less\.csv, parts\.csv each list its pictures.*parts='less\.csv'"):
        list_folder(folder)
    assert len(list_folder(folder, parts="less.csv").files) == 20
    (folder / "less.csv").rename(tmp_path / "else.csv")
    assert len(list_folder(folder, parts=tmp_path / "else.csv").files) == 20
    with pytest.raises(DataError, match=r"parts='no\.csv': no such file"):
        list_folder(folder, parts="no.csv")


def test_a_table_of_something_else_is_none(folder):
    write(folder, ["x.png,cat", "y.png,dog"], "file,label", "submission.csv")
    listing = list_folder(folder)
    assert len(listing.files) == 48 and any("submission.csv" in note for note in listing.notes)
