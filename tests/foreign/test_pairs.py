"""Pairs of maps as others store them: the same set as the plain twin, or refused with what was found and a way out."""

import datetime
import decimal
import json
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from learnerkit.all import saliency_dls, verify
from learnerkit.core.errors import DataError
from learnerkit.fuse.doctor import examine
from learnerkit.fuse.files import read_pair, reading
from learnerkit.fuse.listing import is_pairs
from learnerkit.fuse.other import read_other
from learnerkit.fuse.relations import RELATIONS
from learnerkit.fuse.scan import read_pairs
from learnerkit.fuse.task import open_dls
from learnerkit.runs.recipes import load_recipe
from tests.pairs import content


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))


def plant(root, numbers, n=7, name="{code}_{i}.pt", form=lambda pair, code, i: pair, shape=(3, 8, 8)):
    """n files of each class number; `form` changes what a file holds. No file says its class in words."""
    for code, number in enumerate(numbers):
        for i in range(n):
            file = root / name.format(code=code, number=number, i=i, relation=RELATIONS[code % 24])
            file.parent.mkdir(parents=True, exist_ok=True)
            pair = content(0, 1000 * code + i, shape, class_id=number)
            del pair["class_name"]
            torch.save(form(pair, code, i), file)
    return root


def names_by_file(source):
    """The class name of each pair."""
    return {name: source.vocab[code] for name, code in zip(source.ids, source.labels, strict=True)}


def is_named(source, names):
    """Whether each file CODE_I.pt is called by the name of its code."""
    return all(said == names[int(name.split("/")[-1].split("_")[0])] for name, said in names_by_file(source).items())


# class numbers and names


def test_numbers_from_1_with_a_list_of_names(tmp_path):
    root = plant(tmp_path / "set", range(1, 25))
    for file, text in (("class_names.json", json.dumps(list(RELATIONS))), ("classes.txt", "\n".join(RELATIONS))):
        (root / file).write_text(text)
        source = read_pairs(root)
        assert source.vocab == list(RELATIONS) and is_named(source, RELATIONS)
        assert source.notes == [f"class numbers begin at 1 in the files: 1 is 'above', the first of {file}"]
        (root / file).unlink()
    source = read_pairs(root, names="relations")
    assert is_named(source, RELATIONS) and source.origin["class_numbers"] == list(range(1, 25))


@pytest.mark.parametrize("where", ["class_name", "relation", "folder", "mapping"])
@pytest.mark.parametrize("numbers", [range(1, 6), (0, 2, 5, 9), (3, 7, 100)], ids=["from 1", "gaps", "odd"])
def test_numbers_that_names_come_with_make_no_class_more(tmp_path, where, numbers):
    names = [f"kind {code}" for code in range(len(numbers))]
    pattern = "kind {code}/{code}_{i}.pt" if where == "folder" else "{code}_{i}.pt"
    said = {} if where in ("folder", "mapping") else {where: None}
    root = plant(
        tmp_path / "set", numbers, name=pattern, form=lambda pair, code, i: pair | dict.fromkeys(said, names[code])
    )
    if where == "mapping":
        (root / "class_names.json").write_text(json.dumps(dict(zip(map(str, numbers), names, strict=True))))
    source = read_pairs(root)
    assert source.vocab == names and is_named(source, names) and not source.notes
    assert source.origin["class_numbers"] == list(numbers)


@pytest.mark.parametrize("numbers", [range(24), range(1, 25), (2, 4, 40)], ids=["24", "from 1", "gaps"])
def test_names_are_never_invented(tmp_path, numbers):
    root = plant(tmp_path / "set", numbers)
    with pytest.warns(UserWarning, match=r"set: nothing names the classes: .* names='relations'"):
        dls = saliency_dls(root, bs=8)
    assert dls.vocab == [f"class_{number}" for number in numbers] and is_named(dls.source, dls.vocab)
    assert "nothing names the classes" in dls.facts()["notes"][0] and dls.facts()["names"] == "numbers"


def test_a_list_whose_first_is_absent_is_said(tmp_path):
    root = plant(tmp_path / "set", (1, 2))
    (root / "class_names.json").write_text(json.dumps(["a", "b", "c", "d"]))
    assert "no pair has the class number 0, 'a' in class_names.json" in read_pairs(root).notes[0]


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (["x", "y", "z"], "does not name the class 'a', as 0_0.pt calls its own"),
        (["b", "c", "a"], "class_names.json: calls class 0 'b', and 0_0.pt is called 'a'; so do 20 more"),
        (["a", "b"], r"class_names.json: does not name the class 'c'"),
    ],
)
def test_a_list_that_contradicts_the_files_is_refused(tmp_path, listed, words):
    root = plant(tmp_path / "set", range(3), form=lambda pair, code, i: pair | {"class_name": "abc"[code]})
    (root / "class_names.json").write_text(json.dumps(listed))
    with pytest.raises(DataError, match=words):
        read_pairs(root)


def test_single_files_that_contradict_a_list_and_two_lists(tmp_path):
    def form(pair, code, i):
        return pair | {"class_name": "abc"[code if (code, i) != (1, 2) else 0]}

    root = plant(tmp_path / "set", range(3), form=form)
    (root / "class_names.json").write_text(json.dumps(list("abc")))
    with pytest.raises(DataError, match=r"1 fault.*\n  1_2.pt: class_id 1, but it is called 'a', which is 0"):
        read_pairs(root)
    (root / "classes.txt").write_text("a\nc\nb\n")
    with pytest.raises(DataError, match=r"class_names.json and classes.txt name different classes"):
        read_pairs(root)
    (tmp_path / "mine.txt").write_text("c0\nc1\nc2\n")
    assert read_pairs(root, names=tmp_path / "mine.txt").vocab == ["c0", "c1", "c2"]


# how maps are stored


def of(change):
    """A form that changes both maps alike."""

    def form(pair, code, i):
        return {key: change(value) if isinstance(value, torch.Tensor) else value for key, value in pair.items()}

    return form


STORED = {
    "numpy arrays": of(lambda map: map.numpy()),
    "numpy, Fortran order": of(lambda map: np.asfortranarray(map.numpy())),
    "numpy, big endian": of(lambda map: map.numpy().astype(">f4")),
    "float64": of(lambda map: map.double()),
    "[1,C,H,W]": of(lambda map: map[None]),
    "[H,W,C]": of(lambda map: map.permute(1, 2, 0)),
    "numpy [H,W,C]": of(lambda map: map.permute(1, 2, 0).numpy()),
    "sparse": of(lambda map: map.to_sparse()),
    "parameter": of(lambda map: torch.nn.Parameter(map)),
    "numpy class": lambda pair, code, i: pair | {"class_id": np.int64(pair["class_id"])},
    "numpy float class": lambda pair, code, i: pair | {"class_id": np.float32(pair["class_id"])},
    "tensor class": lambda pair, code, i: pair | {"class_id": torch.tensor([pair["class_id"]])},
    "array class": lambda pair, code, i: pair | {"class_id": np.array(pair["class_id"])},
    "path and time": lambda pair, code, i: pair | {"metadata": {
        "file": pathlib.Path("/a/b.png"), "when": datetime.datetime(2024, 1, 2), "zone": datetime.UTC,
        "day": datetime.date(2024, 1, 2), "note": np.str_("x"), "good": np.bool_(True), "box": np.arange(4)}},
}  # fmt: skip


@pytest.mark.parametrize("kind", STORED)
def test_what_is_stored_otherwise_is_the_same_set(tmp_path, kind):
    twin, other = plant(tmp_path / "twin", range(2)), plant(tmp_path / "other", range(2), form=STORED[kind])
    plain, source = read_pairs(twin), read_pairs(other)
    assert np.array_equal(plain.maps, source.maps) and np.array_equal(plain.labels, source.labels)
    assert len(source.notes) == 1 + ("H,W,C" in kind) and not verify(other).faults


@pytest.mark.parametrize(("dtype", "step"), [(torch.float16, 1e-3), (torch.bfloat16, 1e-2)])
def test_half_precision_is_read(tmp_path, dtype, step):
    twin = read_pairs(plant(tmp_path / "twin", range(2)))
    source = read_pairs(plant(tmp_path / "other", range(2), form=of(lambda map: map.to(dtype))))
    assert np.allclose(twin.maps, source.maps, rtol=step, atol=1e-6) and source.maps.dtype == np.float32


def test_maps_without_channels_and_of_whole_numbers(tmp_path):
    def form(pair, code, i):
        flat = pair["saliency_maps"][0]
        return pair | {"saliency_maps": (flat * 100).to(torch.uint8), "cross_attention_maps": flat[None]}

    source = read_pairs(plant(tmp_path / "set", range(2), form=form))
    assert source.shape == (1, 8, 8) and source.origin["dtypes"] == [{"uint8": 14}, {"float32": 14}]
    assert any("stored as uint8 and taken as they are; stats='data'" in note for note in source.notes)
    assert source.maps[0].max() > 50


def test_one_channel_is_repeated_and_other_numbers_are_refused(tmp_path):
    def form(channels):
        return lambda pair, code, i: pair | {"cross_attention_maps": torch.rand(channels, 8, 8)}

    source = read_pairs(plant(tmp_path / "one", range(2), form=form(1)))
    assert source.shape == (3, 8, 8) and np.array_equal(source.maps[1, 0, 0], source.maps[1, 0, 2])
    assert any("one channel, which is repeated" in note for note in source.notes)
    with pytest.raises(DataError, match=r"differ in shape, in channels: 3 and 4"):
        read_pairs(plant(tmp_path / "four", range(2), form=form(4)))


def test_an_order_of_channels_is_said_and_can_be_contradicted(tmp_path):
    root = plant(tmp_path / "set", range(2), shape=(8, 8, 5))
    assert read_pairs(root).shape == (5, 8, 8) and any("[H,W,C]" in note for note in read_pairs(root).notes)
    said = read_pairs(root, how=reading(order="chw"))
    assert said.shape == (8, 8, 5) and not any("[H,W,C]" in note for note in said.notes)
    deep = plant(tmp_path / "deep", range(2), shape=(20, 16, 12))
    assert read_pairs(deep).shape == (20, 16, 12) and read_pairs(deep, how=reading(order="hwc")).shape == (12, 20, 16)


@pytest.mark.parametrize("where", ["within a pair", "between files"])
def test_maps_of_two_sizes_are_refused_with_the_size_or_resized(tmp_path, where):
    def form(pair, code, i):
        small = {"cross_attention_maps": torch.full((3, 4, 4), 7.0)}
        return pair | (
            small if where == "within a pair" else {"saliency_maps": torch.rand(3, 4, 4), **small} if i else {}
        )

    root = plant(tmp_path / "set", range(2), form=form)
    with pytest.raises(DataError, match=r"size=[48] \(--size [48]\) brings all maps to one"):
        read_pairs(root)
    source = read_pairs(root, how=reading(size=8))
    row = source.ids.index("0_1.pt")
    assert source.shape == (3, 8, 8) and np.allclose(source.maps[1, row], 7)
    assert read_pairs(root, how=reading(size=(6, 4))).shape == (3, 6, 4)


def test_npz_and_safetensors_are_the_same_set(tmp_path):
    twin = read_pairs(plant(tmp_path / "twin", range(2)))
    for suffix in (".npz", ".safetensors"):
        root = tmp_path / suffix[1:]
        root.mkdir()
        for code in range(2):
            for i in range(7):
                pair = content(0, 1000 * code + i, (3, 8, 8), class_id=code)
                maps = {key: pair[key] for key in ("saliency_maps", "cross_attention_maps")}
                if suffix == ".npz":
                    np.savez(root / f"{code}_{i}.npz", class_id=code, image_id=f"im{i}", **maps)
                else:
                    text = {"class_id": str(code), "image_id": f"im{i}"}
                    safetensors.torch.save_file(maps, root / f"{code}_{i}.safetensors", text)
        source = read_pairs(root)
        assert np.array_equal(twin.maps, source.maps) and np.array_equal(twin.labels, source.labels)
        assert source.origin["group"] == "image_id" and is_pairs(root) and verify(root).kind == "pairs of maps"
    np.savez(tmp_path / "npz" / "object.npz", class_id=np.array([{}], dtype=object))
    assert "Object arrays cannot be loaded" in read_pair(tmp_path / "npz" / "object.npz")


# other keys


NESTED = {
    "other names": (lambda p: {"sal": p[0], "attn": p[1], "label": p[2]}, "sal,attn,label"),
    "attention first": (lambda p: {"attention": p[1], "grad": p[0], "y": p[2]}, "grad,attention,y"),
    "below data": (lambda p: {"data": {"saliency_maps": p[0], "cross_attention_maps": p[1], "class_id": p[2]}},
                   "data.saliency_maps,data.cross_attention_maps,data.class_id"),
    "below state": (lambda p: {"state": {"maps": {"s": p[0], "attn": p[1]}}, "label": p[2], "epoch": 3},
                    "state.maps.s,state.maps.attn,label"),
    "a tuple": (lambda p: p, "0,1,2"),
    "a list": (lambda p: list(p), "0,1,2"),
    "a tuple with text": (lambda p: (*p, {"note": "x"}), "0,1,2"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NESTED)
def test_other_keys_are_proposed_and_taken(tmp_path, kind):
    change, keys = NESTED[kind]
    twin = read_pairs(plant(tmp_path / "twin", range(2)))
    root = plant(tmp_path / "set", range(2), form=lambda pair, code, i: change(tuple(list(pair.values())[:3])))
    with pytest.raises(DataError, match=rf"holds .*keys='{keys}' \(--keys {keys}\)"):
        read_pairs(root)
    source = read_pairs(root, how=reading(keys))
    assert np.array_equal(source.maps, twin.maps) and np.array_equal(source.labels, twin.labels)
    recipe = load_recipe("saliency-wrn", {"data": str(root), "keys": keys, "bs": "2", "names": "relations"})
    assert open_dls(recipe).vocab == list(RELATIONS)


@pytest.mark.parametrize("keys", ["sal,attn", "a,b,c,d", "a,a,b", ("a", "", "b")])
def test_keys_that_are_no_three_places(tmp_path, keys):
    with pytest.raises(DataError, match=r"keys=.*three places"):
        saliency_dls(plant(tmp_path / "set", range(2)), keys=keys)


# what is refused, and the command that mends it


REFUSED = {
    "a picture": (lambda p: p | {"saliency_maps": Image.new("RGB", (8, 8))}, "asks for PIL"),
    "a decimal": (lambda p: p | {"metadata": {"x": decimal.Decimal(1)}}, "asks for decimal.Decimal"),
    "a date of numpy": (lambda p: p | {"when": np.datetime64("2024-01-01")}, "an array of dtype 'M8'"),
    "an array of objects": (lambda p: p | {"words": np.array(["a", None], dtype=object)}, "an array of dtype 'O8'"),
    "a namespace": (lambda p: p | {"args": __import__("argparse").Namespace(lr=1)}, "asks for argparse.Namespace"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_objects_are_refused_by_name_with_a_command_that_works(tmp_path, kind):
    change, said = REFUSED[kind]
    root = plant(tmp_path / "set", range(2), n=1, form=lambda pair, code, i: change(pair | {"image_id": "x1"}))
    text = read_pair(root / "0_0.pt")
    assert said in text and "nothing was loaded or run" in text
    command = shlex.split(text[text.index("python -c") :])
    subprocess.run([sys.executable, *command[1:-1], str(root / "0_0.pt")], check=True)
    pair = read_pair(root / "0_0.pt")
    assert not isinstance(pair, str), pair
    assert pair.said["image_id"] == "x1" and pair.class_id == 0


@pytest.mark.parametrize("kind", ["list", "stacked"])
def test_many_pairs_in_one_file_are_taken_apart_by_the_command(tmp_path, kind):
    pairs = [content(0, i, (3, 8, 8)) for i in range(3)]
    keys = ("saliency_maps", "cross_attention_maps")
    stacked = {key: torch.stack([pair[key] for pair in pairs]) for key in keys} | {"class_id": torch.zeros(3)}
    torch.save(pairs if kind == "list" else stacked, tmp_path / "all.pt")
    text = read_pair(tmp_path / "all.pt")
    command = shlex.split(text[text.index("python -c") : text.index(", and move")])
    subprocess.run([sys.executable, *command[1:-1], str(tmp_path / "all.pt")], check=True)
    assert np.array_equal(read_pair(tmp_path / "all_000002.pt").maps[1], pairs[2]["cross_attention_maps"])


def test_whole_numbers_among_fractions_and_damaged_numpy_values(tmp_path):
    root = plant(tmp_path / "set", range(2))
    pair = content(0, 5, (3, 8, 8))
    torch.save(pair | {"saliency_maps": (pair["saliency_maps"] * 255).to(torch.uint8)}, root / "0_0.pt")
    with pytest.raises(DataError, match=r"0_0.pt: saliency_maps is uint8, most are float32"):
        read_pairs(root)


# source images


def said_as(make):
    return lambda pair, code, i: pair | make(f"{code + 1}{i // 2}", code, i)


GROUPED = {
    "image_id": said_as(lambda image, code, i: {"image_id": image}),
    "image_id as tensor": said_as(lambda image, code, i: {"image_id": torch.tensor(int(image))}),
    "image_id as numpy": said_as(lambda image, code, i: {"image_id": np.int64(image)}),
    "metadata.image_id": said_as(lambda image, code, i: {"metadata": {"image_id": int(image)}}),
    "meta.info.source_image": said_as(lambda image, code, i: {"meta": {"info": {"source_image": image}}}),
    "image_path": said_as(lambda image, code, i: {"image_path": f"/x/{('early', 'late')[i % 2]}_layers/a.{image}.png"}),
    "metadata.img_path": said_as(lambda image, code, i: {"metadata": {"img_path": pathlib.Path(f"a/{image}.jpg")}}),
    "source_image": said_as(lambda image, code, i: {"image_id": 100 * code + i, "source_image": f"{image}.5.2"}),
    "image": said_as(lambda image, code, i: {"image_id": "all alike", "image": image}),
}


@pytest.mark.parametrize("key", GROUPED)
def test_what_says_the_image_is_found(tmp_path, key):
    root = plant(tmp_path / "set", range(2), n=14, form=GROUPED[key])
    place = key.split(" ")[0]
    source = read_pairs(root)
    assert source.origin["group"] == place and len(set(source.groups.tolist())) == 14
    for first, name in enumerate(source.ids):
        for second, other in enumerate(source.ids):
            alike = name[0] == other[0] and int(name[2:-3]) // 2 == int(other[2:-3]) // 2
            assert (source.groups[first] == source.groups[second]) == alike
    assert (True, f"28 files, 14 source images, by {place}; maps of (3, 8, 8)") in examine(root).lines
    named = read_pairs(root, group=place.split(".")[-1])
    assert np.array_equal(named.groups, source.groups) and len(set(read_pairs(root, group="name").groups)) == 28


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (lambda code, i: "the model", r"image_id is the same in all files \('the model'\); it does not group"),
        (lambda code, i: 100 * code + i, "image_id differs in all 28 files, where their names say 14 images"),
        (lambda code, i: "x" if (code, i) == (0, 0) else None, "image_id is said by 1 of 28 files alone"),
    ],
)
def test_a_key_that_says_no_image_is_set_aside_and_said(tmp_path, value, words):
    def form(pair, code, i):
        return pair | ({"image_id": value(code, i)} if value(code, i) is not None else {})

    root = tmp_path / "set"
    for code in range(2):
        for i in range(14):
            file = root / f"{('early', 'late')[i % 2]}_layers" / f"{code}_{i // 2}.pt"
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.save(form(content(code, i, (3, 8, 8)), code, i), file)
    with pytest.warns(UserWarning) as caught:
        dls = saliency_dls(root, bs=4)
    assert any(re.search(words, str(one.message)) for one in caught)
    assert dls.facts()["group"] == "name" and len(set(dls.source.groups.tolist())) == 14


def test_a_group_that_is_named_is_obeyed_or_refused(tmp_path):
    def form(pair, code, i):
        return pair | {"scene": i // 2, "image_id": f"{code}{i}"} | ({} if (code, i) == (1, 7) else {"walk": "x"})

    root = plant(tmp_path / "set", range(2), n=8, form=form)
    assert len(set(read_pairs(root, group="scene").groups.tolist())) == 4
    with pytest.raises(DataError, match=r"group='scen' \(--group\): no file says it; did you mean scene\?"):
        read_pairs(root, group="scen")
    with pytest.raises(DataError, match=r"1_7.pt: does not say walk, by which pairs are grouped"):
        read_pairs(root, group="walk")
    recipe = load_recipe("saliency-wrn", {"data": str(root), "group": "scene", "bs": "4", "names": "relations"})
    dls = open_dls(recipe)
    scenes = [{int(name[2]) // 2 for name in dls.ids(part)} for part in ("train", "valid", "test")]
    assert sum(map(len, scenes)) == 4


# folders


def test_what_is_no_pair_is_counted_and_hidden_things_are_not(tmp_path):
    root = plant(tmp_path / "set", range(2))
    for name in ("notes.txt", "a/log.json", "weights.pth", "b/overview.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("x")
    for name in ("._0_0.pt", ".ipynb_checkpoints/0_0-checkpoint.pt", ".DS_Store"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("x")
    (root / "class_names.json").write_text('["a", "b"]')
    assert is_pairs(root)
    with pytest.warns(UserWarning, match=r"4 file\(s\) are no pairs and left out \(1 .json, 1 .png.*\), such as a/log"):
        dls = saliency_dls(root, bs=4)
    assert len(dls.source) == 14 and any("left out" in text for _, text in examine(root).lines)
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "pictures" / "a.png")
    with pytest.raises(DataError, match=r"no \.pt file; 1 file\(s\) are no pairs and left out"):
        read_pairs(tmp_path / "pictures")


def test_folders_that_name_parts_are_the_parts(tmp_path):
    root = tmp_path / "set"
    for part, n in (("train", 6), ("val", 2), ("test", 3)):
        plant(root, range(2), n=n, name=f"{part}/{{relation}}/{part}{{code}}_{{i}}.pt",
              form=lambda pair, code, i: of(lambda map: map + torch.rand(1))(pair, code, i))  # fmt: skip
    dls = saliency_dls(root, bs=4)
    assert dls.split.counts == {"train": 12, "valid": 4, "test": 6} and dls.vocab == ["above", "around_near"]
    assert all(name.startswith("val/") for name in dls.ids("valid"))
    assert (True, "parts by their folders: {'test': 6, 'train': 12, 'valid': 4}") in examine(root).lines
    plant(root, range(2), n=1, name="more/{code}_{i}.pt")
    with pytest.raises(
        DataError, match=r"22 of 24 files lie in a folder that names a part.* others in none, such as more"
    ):
        saliency_dls(root, bs=4)


def test_other_pairs_are_measured_by_name_or_by_number(tmp_path):
    def described(source):
        return {"classes": source.vocab, "data": json.loads(json.dumps(source.facts())), "recipe": {"dls": None}}

    named = lambda pair, code, i: pair | {"class_name": RELATIONS[code]}  # noqa: E731
    run = described(read_pairs(plant(tmp_path / "run", range(1, 6), form=named)))
    fewer = plant(tmp_path / "fewer", (7, 8), name="{code}_{i}.pt", form=lambda pair, code, i: named(pair, code + 3, i))
    assert names_by_file(read_other(fewer, run))["1_0.pt"] == RELATIONS[4]
    with pytest.warns(UserWarning, match="their numbers are taken for those of the run"):
        numbered = read_other(plant(tmp_path / "numbered", (2, 5)), run)
    assert numbered.vocab == list(RELATIONS[:5]) and names_by_file(numbered)["1_0.pt"] == RELATIONS[4]
    with pytest.raises(DataError, match="has the class 'class_6', which the run has not"):
        read_other(plant(tmp_path / "more", (5, 6)), run)


def test_doctor_says_what_was_read(tmp_path):
    root = plant(tmp_path / "set", (1, 2, 4), form=of(lambda map: map.half()))
    said = [text for _, text in examine(root).lines]
    assert "class numbers in the files: 1..2, 4; nothing names the classes" in said
    assert "21 files, 21 source images, by the files' names; maps of (3, 8, 8)" in said
    assert any(text.startswith("saliency maps: 21 float16; ") for text in said)
    assert any(text.startswith("note: nothing names the classes") for text in said)


def test_one_class_called_train_is_a_class(tmp_path):
    root = plant(tmp_path / "set", range(3), name="{code}/{code}_{i}.pt")
    for code, name in enumerate(("bus", "train", "car")):
        (root / str(code)).rename(root / name)
    assert read_pairs(root).vocab == ["bus", "train", "car"]


def test_doctor_shows_a_set_of_other_keys_as_it_would_be(tmp_path):
    form = lambda pair, code, i: dict(zip("say", [*pair.values()][:3], strict=True))  # noqa: E731
    root = plant(tmp_path / "set", (1, 2), form=form)
    lines = examine(root).lines
    faults = [text for good, text in lines if good is False]
    assert len(faults) == 3 and "0_0.pt, 0_1.pt, 0_2.pt and 11 more: lacks" in faults[0]
    assert faults[2] == "with --keys s,a,y it would be:"
    assert (True, "class numbers in the files: 1..2; nothing names the classes") in lines
