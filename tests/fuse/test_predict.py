"""One pair in every form that somebody may hold; what is none is refused in words."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from learnerkit.all import DataError, Run, fusion_learner, load_run, predict_run, saliency_dls
from learnerkit.core.files import read_json
from learnerkit.fuse.predict import pairs_in
from tests.pairs import content, write_pairs


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on files of pairs, its learner, and the folder of the files."""
    root = tmp_path_factory.mktemp("pairs")
    write_pairs(root / "set", n=8)
    dls = saliency_dls(root / "set", bs=8, cache=root / "cache", stats="data")
    cbs = [Run(root, "run", report=False)]
    learn = fusion_learner(dls, "tiny_cnn", fusion="concat", cbs=cbs, model_args={"width": 4}, seed=1)
    learn.logger = lambda row: None
    learn.fit(1, 0.01)
    return root / "run", learn, root / "set"


def test_each_form_of_a_pair_gives_the_same(trained, tmp_path):
    run, learn, _ = trained
    held = content(1, 3)
    both = held["saliency_maps"], held["cross_attention_maps"]
    torch.save(held, tmp_path / "a.pt")
    torch.save({key: held[key] for key in ("saliency_maps", "cross_attention_maps")}, tmp_path / "classless.pt")
    arrays = {"saliency_maps": both[0].numpy(), "cross_attention_maps": both[1].numpy()}
    np.savez(tmp_path / "a.npz", **arrays)
    save_file(arrays, tmp_path / "a.safetensors")
    expected = learn.predict(both)
    assert expected[0] == learn.dls.vocab[int(expected[1])]
    for item in (
        list(both),
        tuple(map(np.asarray, both)),
        (*both, 1),
        torch.stack(both),
        held,
        arrays,
        {"saliency": both[0], "attention": both[1]},
        tuple(one.permute(1, 2, 0) for one in both),
        *(tmp_path / name for name in ("a.pt", "classless.pt", "a.npz", "a.safetensors")),
        str(tmp_path / "a.pt"),
    ):
        assert torch.equal(learn.predict(item)[2], expected[2])
        assert torch.equal(load_run(run, data=False).predict(item)[2], expected[2])


def test_what_is_no_pair_is_refused(trained, tmp_path):
    _, learn, _ = trained
    one = torch.zeros(3, 32, 32)
    torch.save({"a": 1}, tmp_path / "other.pt")
    for item, said in (
        (one, "one array of shape .*2 inputs"),
        ((one, torch.zeros(3, 16, 16)), "differ in shape"),
        ((torch.zeros(3, 16, 16),) * 2, r"\(3, 16, 16\), those of the set \(3, 32, 32\)"),
        ((one, one * float("nan")), "NaN"),
        ((one,), "is no pair"),
        ({"saliency_maps": one}, "lacks saliency_maps and cross_attention_maps"),
        (tmp_path / "other.pt", "other.pt: lacks"),
        (tmp_path / "absent.pt", "absent.pt: no such file"),
        (None, "NoneType: is no pair"),
    ):
        with pytest.raises(DataError, match=said):
            learn.predict(item)


def test_files_of_pairs_are_predicted_without_their_classes(trained, tmp_path):
    run, _, folder = trained
    files = [file for file in sorted(folder.rglob("*.pt"))][:5]
    torch.save({"saliency_maps": 1}, tmp_path / "bad.pt")
    with pytest.raises(DataError, match=r"(?s)1 fault.*bad.pt: lacks.*--bad skip"):
        predict_run(run, [*files, tmp_path / "bad.pt"])
    place, facts = predict_run(run, [*files, tmp_path / "bad.pt"], tmp_path / "out", bad="skip")
    assert facts["samples"] == 5 and facts["left_out"] == 1 and "bad.pt" in (place / "left_out.csv").read_text()
    lines = [line.split(",") for line in (place / "predictions.csv").read_text().splitlines()[1:]]
    best = load_run(run)
    for line, file in zip(lines, files, strict=True):
        name, _, probabilities = best.predict(file)
        assert line[1] == name and float(line[2]) == pytest.approx(float(probabilities.max()), abs=1e-6)
    assert read_json(place / "prediction.json")["task"] == "fuse"


def test_pairs_among_earlier_predictions_are_none(tmp_path):
    for name in ("set/a.pt", "set/b.pt", "set/out/c.pt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "set" / "out" / "prediction.json").write_text("{}")
    assert pairs_in(tmp_path / "set") == [tmp_path / "set" / "a.pt", tmp_path / "set" / "b.pt"]
