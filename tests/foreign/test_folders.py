"""Folders of pictures as other tools and people leave them: read as meant, or refused by name."""

import shutil
import unicodedata

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from learnerkit.classify.folder import list_folder
from learnerkit.classify.reading import read_folder
from learnerkit.core.errors import DataError
from learnerkit.data.pictures import SUFFIXES, decode
from tests.images import write_folder

TWO = ("cats", "dogs")


def picture(file, size=(8, 8), value=0):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(file)
    return file


def read(root, **kwargs):
    """What a folder is read as: counts a part and class, and the notes as one text."""
    listing = list_folder(root, **kwargs)
    counts = {}
    for part, label in zip(listing.parts, listing.labels, strict=True):
        key = part, listing.vocab[label]
        counts[key] = counts.get(key, 0) + 1
    return counts, "\n".join(listing.notes)


def expected(parts, n=4, classes=TWO):
    return {(part, name): n for part in parts for name in classes}


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("training_set", "test_set"), ("train", "test")),
        (("seg_train", "seg_test"), ("train", "test")),
        (("Train_data", "Test_data"), ("train", "test")),
        (("TRAIN", "dev", "holdout"), ("train", "valid", "test")),
        (("train2017", "val2017"), ("train", "valid")),
        (("flowers-training", "flowers-validation"), ("train", "valid")),
        (("trainset", "valset", "testset"), ("train", "valid", "test")),
        (("train/train", "test/test"), ("train", "test")),
        (("data/train", "data/valid"), ("train", "valid")),
        (("train/images", "test/images"), ("train", "test")),
    ],
)
def test_names_that_say_parts(tmp_path, names, parts):
    counts, _ = read(write_folder(tmp_path, TWO, parts=names))
    assert counts == expected(parts)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("val", "test"), "there is no train/"),
        (("train", "training_set", "test"), "train/ and training_set/ both say the train part"),
        (("fold_0", "fold_1", "fold_2"), "folds of a cross-validation"),
        (("fold1", "fold2"), "folds of a cross-validation"),
        (("batch_1", "batch_2"), "batches of one set"),
        (("HAM_part_1", "HAM_part_2"), "batches of one set"),
        (("data_fold_a", "data_fold_b"), "folds of a cross-validation"),
        (("color", "grayscale", "segmented"), "variants or pieces of one set"),
        (("train/rgb", "train/ir"), "variants or pieces of one set"),
    ],
)
def test_parts_that_cannot_be_told(tmp_path, names, said):
    with pytest.raises(DataError, match=said):
        list_folder(write_folder(tmp_path, TWO, parts=names))


@pytest.mark.parametrize("names", [("train", "test"), ("training", "validation"), ("seg_train", "seg_test")])
def test_two_folders_that_say_parts_are_never_classes(tmp_path, names):
    with pytest.raises(DataError, match="say parts of a set, not classes, and hold pictures without class folders"):
        list_folder(write_folder(tmp_path, names))


def test_a_lone_folder_called_like_a_part_may_be_a_class(tmp_path):
    counts, notes = read(write_folder(tmp_path, ("bus", "car", "train")))
    assert counts == expected([""], classes=("bus", "car", "train")) and "train/ holds pictures itself" in notes
    assert read(write_folder(tmp_path / "b", ("test_tube", "train_station")))[0] == expected(
        [""], classes=("test_tube", "train_station")
    )


def test_parts_inside_the_classes_are_parts(tmp_path):
    root = write_folder(tmp_path, ("train", "test"), parts=TWO)
    assert read(root)[0] == expected(["train", "test"])


@pytest.mark.parametrize("names", [("original", "augmented"), ("raw", "processed"), ("query", "gallery")])
def test_variants_are_no_classes(tmp_path, names):
    with pytest.raises(DataError, match="look like variants of one set"):
        list_folder(write_folder(tmp_path, names))


def test_folders_without_pictures_around_the_classes_are_passed_over(tmp_path):
    root = write_folder(tmp_path / "images", TWO).parent
    (root / "meta").mkdir()
    (root / "meta" / "classes.txt").write_text("cats")
    counts, notes = read(root)
    assert counts == expected([""]) and "meta/classes.txt" in notes


def test_a_lone_images_folder_in_a_part_is_no_class(tmp_path):
    write_folder(tmp_path / "train", TWO)
    write_folder(tmp_path / "val", ("images",))
    (tmp_path / "val" / "val_annotations.txt").write_text("0.png cats")
    with pytest.raises(DataError, match="val/ says the valid part and holds 4 pictures without class"):
        list_folder(tmp_path)


def test_a_flat_test_folder_is_kept_for_predict(tmp_path):
    write_folder(tmp_path, TWO, parts=("train",))
    write_folder(tmp_path, ("test",))
    counts, notes = read(tmp_path)
    assert counts == expected(["train"]) and "4 file(s) in test/ without a class, kept for `predict` left out" in notes
    beside = write_folder(tmp_path / "b", (*TWO, "test"))
    counts, notes = read(beside)
    assert counts == expected([""]) and "in test/ without a class, kept for `predict`" in notes
    write_folder(tmp_path / "c", TWO, parts=("train",))
    write_folder(tmp_path / "c", ("val",))
    with pytest.raises(DataError, match=r"val/ says the valid part and holds 4 pictures without class"):
        list_folder(tmp_path / "c")


def test_folders_that_name_no_part_are_named(tmp_path):
    write_folder(tmp_path, TWO, parts=("seg_train", "seg_test"))
    write_folder(tmp_path, ("seg_pred",), n=6)
    counts, notes = read(tmp_path)
    assert counts == expected(["train", "test"]) and "6 file(s) in seg_pred/, which names no part left out" in notes


def test_masks_are_no_classes_and_no_images(tmp_path):
    inside = tmp_path / "inside"
    for name in TWO:
        for k in range(4):
            picture(inside / name / "images" / f"{k}.png", value=10 * k)
            picture(inside / name / "masks" / f"{k}.png", value=255)
    counts, notes = read(inside)
    assert counts == expected([""]) and "4 file(s) in cats/masks/ beside images left out" in notes
    above = write_folder(tmp_path / "above" / "images", TWO).parent
    write_folder(above / "masks", TWO)
    counts, notes = read(above)
    assert counts == expected([""]) and "8 file(s) in masks/, beside images/ left out" in notes
    named = write_folder(tmp_path / "named", TWO)
    for name in TWO:
        picture(named / name / "0_mask.png")
        picture(named / name / "1_mask_2.png")
    counts, notes = read(named)
    assert counts == expected([""]) and "2 file(s) in cats/ that are masks of another by their name" in notes
    flat = tmp_path / "flat"
    picture(flat / "images" / "0.png")
    picture(flat / "labels" / "0.png")
    with pytest.raises(DataError, match="holds pictures without class folders"):
        list_folder(flat)


@pytest.mark.parametrize("names", [("rgb", "thermal"), ("visible", "infrared"), ("RGB", "depth", "event")])
def test_modalities_are_no_classes(tmp_path, names):
    with pytest.raises(DataError, match="look like modalities of one scene"):
        list_folder(write_folder(tmp_path, names))


def test_hidden_and_system_folders_inside_a_class(tmp_path):
    root = write_folder(tmp_path, TWO)
    for place in ("cats/.ipynb_checkpoints/0.png", "__MACOSX/cats/0.png", "dogs/@eaDir/0.png"):
        picture(root / place)
    (root / "cats" / "._0.png").write_bytes(b"resource fork")
    (root / "cats" / "Thumbs.db").write_bytes(b"")
    (root / ".DS_Store").write_bytes(b"")
    counts, notes = read(root)
    assert counts == expected([""]) and "3 file(s) in hidden folders left out" in notes and "_0.png" not in notes


def test_every_file_that_is_no_picture_is_counted(tmp_path):
    root = write_folder(tmp_path, TWO)
    for name in ("cats/a.heic", "cats/b.xcf", "dogs/c.txt", "notes.md", "dogs/no_suffix"):
        (root / name).write_bytes(b"x")
    picture(root / "stray.png")
    _, notes = read(root)
    assert "5 file(s) of no picture format left out: cats/a.heic, cats/b.xcf, dogs/c.txt and 2 more" in notes
    assert "1 file(s) directly in" in notes and "stray.png" in notes


def test_an_empty_class_is_named(tmp_path):
    root = write_folder(tmp_path, TWO)
    (root / "birds").mkdir()
    (root / "birds" / "a.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"without a picture: birds; birds/ holds a\.heic, of no picture format"):
        list_folder(root)


def test_class_names_that_look_equal_are_one_class(tmp_path):
    composed, taken_apart = unicodedata.normalize("NFC", "Café"), unicodedata.normalize("NFD", "Café")
    write_folder(tmp_path / "train", (composed, "tea"))
    write_folder(tmp_path / "test", (taken_apart, "Tea"))
    counts, notes = read(tmp_path)
    assert counts == expected(["train", "test"], classes=(composed, "tea")) and "'Tea' is taken as 'tea'" in notes
    with pytest.raises(DataError, match="look like one class"):
        list_folder(write_folder(tmp_path / "b", ("Cats", "cats", "dogs")))


def test_nested_classes_are_said(tmp_path):
    root = write_folder(tmp_path / "animal", ("cat", "dog")).parent
    write_folder(tmp_path / "plant", ("oak", "elm"))
    counts, notes = read(root)
    assert counts == {("", "animal"): 8, ("", "plant"): 8} and "animal/ (cat, dog)" in notes


def test_every_format_that_pillow_reads_pixels_of(tmp_path):
    Image.init()
    extensions = {suffix for suffix, name in Image.registered_extensions().items() if name in Image.OPEN}
    foreign = {
        "BUFR",
        "EPS",
        "GRIB",
        "HDF5",
        "ICNS",
        "IPTC",
        "MPEG",
        "WMF",
        "FLI",
    }  # no pixels, films, foreign programs
    skipped = {suffix for suffix, name in Image.registered_extensions().items() if name in foreign}
    assert extensions - skipped <= SUFFIXES | {".icns"}
    for suffix in (".avif", ".jp2", ".qoi", ".tga", ".pcx", ".pnm", ".dib", ".ico", ".sgi"):
        root = write_folder(tmp_path / suffix[1:], TWO, n=2, size=(32, 32))
        Image.fromarray(np.full((32, 32, 3), 60, np.uint8)).save(root / "cats" / f"x{suffix}")
        assert abs(int(read_folder(list_folder(root)).images[-1 - 2].mean()) - 60) <= 2 or suffix == ".ico"


def test_pixels_mean_the_same_in_every_mode(tmp_path):
    shown = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    image = Image.fromarray(shown)
    turned = image.transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned.save(tmp_path / "turned.png", exif=exif)
    image.convert("RGBA").save(tmp_path / "alpha.png")
    image.convert("CMYK").save(tmp_path / "cmyk.tif")
    for name in ("turned.png", "alpha.png", "cmyk.tif"):
        assert np.array_equal(decode(tmp_path / name).transpose(1, 2, 0), shown), name
    Image.fromarray(np.zeros((6, 9), np.uint16)).save(tmp_path / "deep.png")
    tifffile.imwrite(tmp_path / "colours.tif", shown.astype(np.uint16), photometric="rgb")
    tifffile.imwrite(
        tmp_path / "rgbn.tif", np.dstack([shown, shown[..., :1]]), photometric="rgb", extrasamples=["unspecified"]
    )
    (tmp_path / "colours.png").write_bytes(imagecodecs.png_encode(shown.astype(np.uint16)))
    image.save(tmp_path / "many.gif", save_all=True, append_images=[turned.resize((9, 6))])
    refused = {"deep.png": "would be cut to 8 bits", "many.gif": "holds 2 pictures", "colours.tif": "more than 8 bits"}
    refused |= {"colours.png": "16-bit pixels", "rgbn.tif": "4 channels; those behind the third would be lost"}
    for name, said in refused.items():
        with pytest.raises(DataError, match=said):
            decode(tmp_path / name)


def test_sizes_that_differ_propose_a_size_and_lose_nothing(tmp_path):
    root = write_folder(tmp_path, TWO, n=6)
    picture(root / "dogs" / "wide.png", (8, 20))
    with pytest.raises(DataError, match=r"2 sizes in pixels \(12 of 8x8 such as .*1 of 20x8.*pass size=, such as 8"):
        read_folder(list_folder(root), bad="skip")
    assert len(read_folder(list_folder(root), (8, 8))) == 13
    shutil.rmtree(root / "cats")
    with pytest.raises(DataError, match="one class only"):
        list_folder(root)
