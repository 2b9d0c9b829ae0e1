"""Pairs of maps: files to one packed set, its split, its faults, its loaders."""

import json
import os
import pickle
import time
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from learnerkit.all import fusion_learner, saliency_dls, verify
from learnerkit.core.errors import DataError
from learnerkit.data.copies import merged_groups
from learnerkit.fuse.dls import pair_dls
from learnerkit.fuse.files import layer_of, read_pair, stem_of
from learnerkit.fuse.listing import list_pairs
from learnerkit.fuse.relations import RELATIONS
from learnerkit.fuse.scan import read_pairs
from tests.images import image_folder
from tests.pairs import LAYERS, content, make_pair_dls, pair_source, write_pairs


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))


def test_a_folder_becomes_one_set_with_its_layers_classes_and_groups(tmp_path):
    root = tmp_path / "set"
    write_pairs(root, layers=LAYERS)
    source = read_pairs(root)
    assert len(source) == 72 and source.maps.shape == (2, 72, 3, 32, 32) and source.vocab == list(RELATIONS[:3])
    assert sorted(set(source.layers)) == sorted(LAYERS) and len(set(source.groups)) == 24
    row = source.ids.index("middle_layers/behind/0003.pt")
    held = content(2, 103)
    assert np.array_equal(source.maps[0, row], held["saliency_maps"]) and source.labels[row] == 2
    assert np.array_equal(source.maps[1, row], held["cross_attention_maps"])
    assert len(read_pairs(root, layer="late")) == 24


def test_the_split_is_stratified_and_no_image_falls_into_two_parts(tmp_path):
    root = tmp_path / "set"
    write_pairs(root, n=20, layers=LAYERS)
    dls = saliency_dls(root, bs=16)
    parts = {part: dls.ids(part) for part in ("train", "valid", "test")}
    stems = {part: {name.split("/", 1)[1] for name in names} for part, names in parts.items()}
    assert not stems["train"] & stems["valid"] and not stems["train"] & stems["test"]
    assert dls.split.counts == {"train": 126, "valid": 27, "test": 27}
    for names in parts.values():
        assert {name.split("/")[1] for name in names} == set(RELATIONS[:3])
    assert saliency_dls(root, bs=16).split.hash(dls.source.ids) == dls.split.hash(dls.source.ids)
    assert saliency_dls(root, bs=16, split_seed=1).ids("test") != parts["test"]
    for pipeline in (dls.train.dataset.tls, dls.test.dataset.tls):
        assert pipeline[0].tfms.fs[-1].tensor.data_ptr() == dls.train.dataset.tls[0].tfms.fs[-1].tensor.data_ptr()


def test_the_packed_set_is_found_again_and_a_changed_file_is_seen(tmp_path, monkeypatch):
    root = tmp_path / "set"
    files = write_pairs(root)
    first = read_pairs(root, cache=tmp_path / "cache")
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("read again"))
    again = read_pairs(root, cache=tmp_path / "cache")
    assert np.array_equal(first.maps, again.maps) and first.fingerprint == again.fingerprint
    monkeypatch.undo()
    time.sleep(0.01)
    torch.save(content(0, 77), files[0])
    changed = read_pairs(root, cache=tmp_path / "cache")
    assert changed.fingerprint != first.fingerprint
    assert np.array_equal(changed.maps[0, changed.ids.index("above/0000.pt")], content(0, 77)["saliency_maps"])


def test_many_files_are_read_by_workers_in_order(tmp_path):
    root = tmp_path / "set"
    write_pairs(root, n=80, folders=False)
    source = read_pairs(root, workers=2)
    alone = read_pairs(root, cache=tmp_path / "other", workers=0)
    assert source.ids == alone.ids and np.array_equal(source.maps, alone.maps)


def test_class_names_come_from_files_folders_json_or_the_relations(tmp_path):
    named, flat = tmp_path / "named", tmp_path / "flat"
    for code, name in enumerate(("cat", "dog")):
        for i in range(3):
            named.mkdir(exist_ok=True)
            torch.save(content(code, i, class_name=name), named / f"{name}{i}.pt")
    assert read_pairs(named).vocab == ["cat", "dog"]
    write_pairs(flat, folders=False, class_name=None)
    numbered = read_pairs(flat)
    assert numbered.vocab == ["class_0", "class_1", "class_2"] and "nothing names the classes" in numbered.notes[0]
    relations = read_pairs(flat, names="relations")
    assert relations.vocab == list(RELATIONS) and RELATIONS[17] == "riding" and len(RELATIONS) == 24
    assert not relations.notes and relations.origin["names"] == "relations"
    (flat / "class_names.json").write_text(json.dumps(["x", "y", "z"]))
    assert read_pairs(flat).vocab == ["x", "y", "z"]
    (flat / "class_names.json").write_text(json.dumps({"0": "x", "1": "y"}))
    with pytest.raises(DataError, match=r"class_id 2 is not in 0\.\.1, of class_names.json"):
        read_pairs(flat)


def test_layers_and_stems():
    from pathlib import Path

    assert layer_of(Path("early_layers/holding/1.pt")) == "early" and layer_of(Path("a/7_late.pt")) == "late"
    assert layer_of(Path("collected/early_bird/1.pt")) == "early" and layer_of(Path("related/1.pt")) == ""
    assert stem_of(Path("early_layers/holding/1.pt")) == stem_of(Path("late_layers/holding/1.pt")) == "holding/1"
    assert stem_of(Path("early layers/7.pt")) == stem_of(Path("late layers/7.pt")) == "7"
    assert stem_of(Path("7_early.pt")) == stem_of(Path("7_middle_layers.pt")) == "7"


def test_class_numbers_that_contradict_the_names(tmp_path):
    root = tmp_path / "set"
    files = write_pairs(root, n=10)
    torch.save(content(1, 400), files[0])  # in the folder of class 0
    torch.save(content(0, 401, class_id=99), files[1])
    with pytest.raises(DataError) as caught:
        read_pairs(root)
    text = str(caught.value)
    assert "above/0000.pt: class_id 1, but it is called 'above', which is 0" in text
    assert "above/0001.pt: class_id 99, but it is called 'above', which is 0" in text and "2 fault(s)" in text
    assert read_pairs(root, bad="skip").vocab == list(RELATIONS[:3])
    torch.save(content(0, 402, class_id=2**70), files[2])
    with pytest.raises(DataError, match="a class number below 10,000 is needed"):
        read_pairs(root)
    torch.save(content(0, 402, class_id=float("inf")), files[2])
    with pytest.raises(DataError, match="class_id is inf"):
        read_pairs(root)


def test_names_in_json(tmp_path):
    write_pairs(tmp_path, folders=False, class_name=None)
    good = {"x": 0, "y": 1, "z": 2}
    for names in (good, {"1": "y", "0": "x", "2": "z"}, ["x", "y", "z"]):
        (tmp_path / "class_names.json").write_text(json.dumps(names))
        assert read_pairs(tmp_path).vocab == ["x", "y", "z"]
    for names in ({"a": "b"}, [], 5, [1, 2, 3], ["x", "x", "y"], {"-1": "x", "0": "y"}):
        (tmp_path / "class_names.json").write_text(json.dumps(names))
        with pytest.raises(DataError, match=r"class_names\.json: a list of different class names"):
            read_pairs(tmp_path)


def test_a_damaged_cache_is_made_again_and_another_folder_has_its_own(tmp_path):
    root, cache = tmp_path / "a" / "set", tmp_path / "cache"
    files = write_pairs(root, folders=False)
    first = read_pairs(root, cache=cache)
    for name in ("index.json", "maps.npy"):
        next(cache.glob(f"*/{name}")).unlink()
        assert np.array_equal(read_pairs(root, cache=cache).maps, first.maps)
    other = tmp_path / "b" / "set"
    for file in write_pairs(other, folders=False):
        torch.save(content(0, 900 + int(file.stem[-2:]), class_id=int(file.stem[1])), file)
        stat = (root / file.name).stat()
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert [f.stat().st_size for f in files] == [(other / f.name).stat().st_size for f in files]
    with pytest.raises(DataError, match="the same content"):
        read_pairs(other, cache=cache)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written there .*--cache"):
        read_pairs(root, cache=tmp_path / "file" / "below")


def test_a_source_that_all_files_name_is_not_an_image(tmp_path):
    for code in (0, 1):
        for i in range(6):
            torch.save(content(code, i, source="some-model"), tmp_path / f"c{code}_{i}.pt")
    assert len(set(read_pairs(tmp_path).groups.tolist())) == 12


def test_folders_of_images_are_not_taken_for_pairs(tmp_path):
    image_folder(tmp_path)
    torch.save(content(), tmp_path / "best.pt")
    assert verify(tmp_path).kind == "image folder"


def test_normalising_once_leaves_the_set_as_it_was():
    source = pair_source()
    normal, plain = pair_dls(source, bs=16, stats="data"), pair_dls(source, bs=16)
    assert source.stats is None and plain.source.stats is None and len(normal.source.stats[0]) == 6
    assert abs(plain.valid.one_batch()[0].mean() - 0.375) < 0.1


def test_a_pair_of_maps_can_be_predicted(tmp_path):
    learn = fusion_learner(make_pair_dls(), "tiny_cnn", fusion="add", path=tmp_path)
    learn.fit(1)
    row = int(learn.dls.split.valid[0])
    pair = tuple(torch.tensor(learn.dls.source.maps[side, row]) for side in (0, 1))
    by_row, by_maps = learn.predict(row), learn.predict(pair)
    assert by_row[0] == by_maps[0] and torch.allclose(by_row[2], by_maps[2])
    assert learn.get_preds(dl=learn.dls.test_dl([pair, pair]))[0].shape == (2, 3)


def test_groups_and_copies_are_merged():
    groups, copies = np.array(["a", "a", "b", "c", "d"]), np.array([0, 1, 1, 3, 4])
    merged = merged_groups(groups, copies)
    assert merged[0] == merged[1] == merged[2] and len(set(merged.tolist())) == 3


class Hostile:
    def __reduce__(self):
        return print, ("executed",)


def spoil(path, kind):
    """Make one file bad; what the report has to say of it."""
    nan, inf = content(0, 50), content(0, 51)
    nan["saliency_maps"][0, 0, 0], inf["cross_attention_maps"][1, 2, 3] = float("nan"), float("inf")
    whole = path.read_bytes()
    values = {
        "hostile": (pickle.dumps(Hostile()), "nothing was loaded or run"),
        "cut": (whole[: len(whole) // 2], "truncated"),
        "empty": (b"", "is empty"),
        "text": (b"hello", "no .pt file"),
        "a list": ([1, 2], "holds a list"),
        "no attention": ({"saliency_maps": content()["saliency_maps"], "class_id": 0}, "lacks cross_attention_maps"),
        "no class": ({k: v for k, v in content().items() if k != "class_id"}, "lacks class_id"),
        "another shape": (content(0, 60, shape=(3, 16, 16)), "have the shape (3, 16, 16), most have (3, 32, 32)"),
        "shapes differ": (content(saliency_maps=torch.rand(3, 8, 8)), "differ in shape"),
        "five dimensions": (content(saliency_maps=torch.rand(1, 1, 3, 32, 32)), "[C,H,W] is needed"),
        "whole numbers": (content(saliency_maps=torch.ones(3, 32, 32, dtype=torch.int64)), "int64, most are float32"),
        "complex": (content(saliency_maps=torch.ones(3, 32, 32, dtype=torch.complex64)), "saliency_maps is complex64"),
        "a list of numbers": (content(saliency_maps=[1.0]), "saliency_maps is list; numbers [C,H,W] are needed"),
        "NaN": (nan, "1 values that are NaN or infinite"),
        "Inf": (inf, "1 values that are NaN or infinite"),
        "class 99": (content(0, 70, class_id=99), "class_id 99"),
        "class -1": (content(0, 71, class_id=-1), "class_id is -1"),
        "class 1.7": (content(0, 72, class_id=1.7), "class_id is 1.7"),
        "class as text": (content(0, 73, class_id="1"), "class_id is '1'"),
        "claims a terabyte": (content(saliency_maps=torch.zeros(1).expand(3, 10**6, 10**5)), "[C,H,W] is needed"),
    }
    value, said = values[kind]
    path.write_bytes(value) if isinstance(value, bytes) else torch.save(value, path)
    return said


KINDS = ["hostile", "cut", "empty", "text", "a list", "no attention", "no class", "another shape", "shapes differ",
         "five dimensions", "whole numbers", "complex", "a list of numbers", "NaN", "Inf", "class 99", "class -1",
         "class 1.7", "class as text", "claims a terabyte"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_bad_file_is_refused_or_set_aside(tmp_path, kind, capsys):
    root = tmp_path / "set"
    files = write_pairs(root, n=10, folders=False)
    said = spoil(files[4], kind)
    before = {file: file.read_bytes() for file in files}
    with pytest.raises(DataError) as caught:
        saliency_dls(root, bs=8)
    assert files[4].name in str(caught.value) and said in str(caught.value) and "1 fault(s) in 30" in str(caught.value)
    dls = saliency_dls(root, bs=8, bad="skip")
    used = {name for part in ("train", "valid", "test") for name in dls.ids(part)}
    assert used == {file.name for file in files} - {files[4].name}
    row = dls.source.ids.index(files[5].name)
    assert np.array_equal(dls.source.maps[0, row], content(0, 5)["saliency_maps"]) and dls.source.labels[row] == 0
    assert [fault.file for fault in dls.source.quarantine] == [files[4].name]
    assert [fault.file for fault in verify(root).faults] == [files[4].name]
    assert before == {file: file.read_bytes() for file in files} and "executed" not in capsys.readouterr().out


def test_one_report_lists_all_and_the_same_pair_in_two_classes(tmp_path):
    root = tmp_path / "set"
    files = write_pairs(root, n=10, folders=False)
    torch.save(content(1, 5, saliency_maps=content(0, 3)["saliency_maps"],
                       cross_attention_maps=content(0, 3)["cross_attention_maps"]), files[15])  # fmt: skip
    files[20].write_bytes(b"")
    with pytest.raises(DataError) as caught:
        read_pairs(root)
    text = str(caught.value)
    assert "3 fault(s) in 30" in text and files[20].name in text
    assert f"{files[15].name}: of class 'around_near', the same content as {files[3].name}" in text
    assert len(read_pairs(root, bad="skip")) == 27


def test_folders_that_cannot_be_trained_on(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no \.pt file"):
        saliency_dls(tmp_path / "empty")
    with pytest.raises(DataError, match="no such folder"):
        saliency_dls(tmp_path / "nowhere")
    write_pairs(tmp_path / "set", n=10)
    (tmp_path / "set" / "drinking").mkdir()
    torch.save(content(5), tmp_path / "set" / "drinking" / "0.pt")
    with pytest.raises(DataError, match=r"drinking/0\.pt: its class 'drinking' has 1 source image\(s\); 3 are needed"):
        saliency_dls(tmp_path / "set", bs=4)
    assert saliency_dls(tmp_path / "set", bs=4, bad="skip").split.counts["train"] == 22
    write_pairs(tmp_path / "one", classes=1)
    with pytest.raises(DataError, match="one class only"):
        saliency_dls(tmp_path / "one", bs=4)
    with pytest.raises(DataError, match="layer 'deep'"):
        list_pairs(tmp_path / "set", "deep")
    with pytest.raises(DataError, match="of the late layer"):
        list_pairs(tmp_path / "set", "late")
    for file in (tmp_path / "one").rglob("*.pt"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match="8 fault"):
        saliency_dls(tmp_path / "one", bs=4, bad="skip")


def test_read_pair_takes_what_is_right(tmp_path):
    path = tmp_path / "a.pt"
    half = {key: value.half() if isinstance(value, torch.Tensor) else value for key, value in content().items()}
    torch.save({**half, "class_id": torch.tensor(2), "relation": "on", "image_id": "x7"}, path)
    pair = read_pair(path)
    assert pair.maps.dtype == np.float32 and (pair.class_id, pair.class_name, pair.said["image_id"]) == (
        2,
        "above",
        "x7",
    )


def test_batches_augmentation_and_pictures():
    plain = make_pair_dls(bs=8)
    first, second, codes = (part.cpu() for part in plain.valid.one_batch())
    rows = plain.split.valid[:8]
    assert np.array_equal(first, plain.source.maps[0, rows]) and np.array_equal(second, plain.source.maps[1, rows])
    assert codes.tolist() == plain.source.labels[rows].tolist()
    normal = make_pair_dls(stats="data")
    whole = [torch.cat(part) for part in zip(*[batch[:2] for batch in normal.train], strict=True)]
    for part in whole:
        assert abs(part.mean()) < 0.1 and abs(part.std() - 1) < 0.1
    source = pair_source()
    source.maps[1] = source.maps[0]
    moved = pair_dls(source, bs=16, crop=2)
    one, other, _ = moved.train.one_batch()
    assert torch.equal(one, other)  # both maps move together
    dropped = pair_dls(source, bs=64, map_dropout=1.0).train.one_batch()
    empty = [part.flatten(1).abs().sum(dim=1) == 0 for part in dropped[:2]]
    assert torch.equal(empty[0], ~empty[1]) and 10 < empty[0].sum() < 54
    assert not torch.equal(pair_dls(source, bs=64, noise=0.1).train.one_batch()[0], one)
    assert pair_dls(source, flip=True, bs=8).train.one_batch()[0].shape == (8, 3, 8, 8)
    sided = replace(source, vocab=["left of", *source.vocab[1:]])
    with pytest.raises(DataError, match=r"flip=True: pairs does not keep .* under a mirror"):
        pair_dls(sided, flip=True, bs=8)
    assert pair_dls(sided, flip=True, keeps=("mirror", "shift"), bs=8).source.keeps == ("mirror", "shift")
    assert source.pictures(np.array([0, 5])).shape == (2, 3, 8, 18)
    plain.show_batch(max_n=4)
    assert len(plt.gcf().axes) == 12 and plt.gcf().axes[0].get_title() in source.vocab
    with pytest.raises(DataError, match="make no batch of 999"):
        pair_dls(source, bs=999)
