"""`weights=` begins a training from other weights, on every task: read where they lie, fitted by name, recorded."""

import shutil

import pytest
import torch
from safetensors.torch import save_file

from learnerkit.all import Run, array_dls, create_model, export_model, fusion_learner, image_learner, load_run
from learnerkit.core.errors import DataError, ModelError, UnsafeFileError
from learnerkit.core.files import read_json
from learnerkit.core.weights import read_weights
from learnerkit.models.begin import fill
from tests.conftest import assert_same_weights, state_of, toy_arrays, toy_learner
from tests.pairs import make_pair_dls
from tests.scenes import toy_detector, write_scenes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("weights") / "set")


def fused(cbs=None, **kwargs):
    return fusion_learner(make_pair_dls(), "tiny_cnn", cbs=cbs, **{"seed": 1, "lr": 0.05, **kwargs})


MAKE = {
    "classify": lambda scenes, cbs=None, **kwargs: toy_learner(cbs, **kwargs),
    "fuse": lambda scenes, cbs=None, **kwargs: fused(cbs, **kwargs),
    "detect": lambda scenes, cbs=None, **kwargs: toy_detector(scenes, cbs, **kwargs),
}


@pytest.mark.slow
@pytest.mark.parametrize("task", MAKE)
def test_a_run_and_a_file_of_it_begin_another_run_which_needs_neither(task, scenes, tmp_path):
    first = MAKE[task](scenes, [Run(tmp_path, "first", monitor="valid_loss", mode="min")])
    first.logger = lambda row: None
    first.fit(1, 1e-3)
    best = read_weights(tmp_path / "first")
    for weights in (tmp_path / "first", tmp_path / "first" / "best_model.safetensors", str(tmp_path / "first")):
        learn = MAKE[task](scenes, weights=weights, seed=2)
        assert_same_weights(best, state_of(learn))
    second = MAKE[task](scenes, [Run(tmp_path, "second", monitor="valid_loss", mode="min")], weights=tmp_path / "first")
    second.logger = lambda row: None
    second.fit(1, 1e-4)
    recorded = read_json(tmp_path / "second" / "run.json")["recipe"]["learner"]
    assert recorded["args"]["weights"] == str((tmp_path / "first").resolve()) and not recorded["lost"]
    shutil.rmtree(tmp_path / "first")
    data = {"data": first.dls} if task == "fuse" else {}
    again = load_run(tmp_path / "second", **({"data": second.dls} | data))
    assert_same_weights(read_weights(tmp_path / "second"), state_of(again))


def forms(state, root):
    """The same weights as libraries write them."""
    torch.save(state, root / "plain.pth")
    torch.save({"epoch": 3, "state_dict": state, "optimizer": {}}, root / "lightning.ckpt")
    torch.save({"model": state, "opt": {"state": {}}}, root / "fastai.pth")
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, root / "parallel.pt")
    (root / "hub").mkdir()
    save_file(state, root / "hub" / "model.safetensors")
    (root / "old hub").mkdir()
    torch.save(state, root / "old hub" / "pytorch_model.bin")
    save_file({f"_orig_mod.{name}": tensor for name, tensor in state.items()}, root / "compiled.safetensors")
    return [path for path in sorted(root.iterdir()) if path.name != "written"]


def test_every_usual_form_is_read(tmp_path):
    state = toy_learner().model.state_dict()
    for path in forms({name: tensor.contiguous() + 1 for name, tensor in state.items()}, tmp_path):
        learn = toy_learner(weights=path)
        assert_same_weights({name: tensor + 1 for name, tensor in state.items()}, state_of(learn))


def test_weights_that_fastai_saved_are_read(tmp_path):
    learn = toy_learner(path=tmp_path)
    learn.fit(1)
    assert_same_weights(state_of(learn), state_of(toy_learner(weights=learn.save("a"))))


def test_a_head_of_other_classes_stays_as_drawn_and_is_named(tmp_path):
    saved = toy_learner()
    export_model(saved, tmp_path)
    images, labels = toy_arrays(n_classes=3)
    dls = array_dls(images, labels % 2, bs=16, vocab=["a", "b"])
    drawn = image_learner(dls, "tiny_cnn", model_args={"width": 4}, seed=5)
    with pytest.warns(UserWarning, match=r"2 tensor.*5\.weight is \[3, 16\], the model's \[2, 16\].*stay as they were"):
        learn = image_learner(dls, "tiny_cnn", model_args={"width": 4}, seed=5, weights=tmp_path)
    own, before = state_of(learn), state_of(drawn)
    for name, tensor in state_of(saved).items():
        assert torch.equal(own[name], before[name] if name.startswith("5.") else tensor)
    learn.logger = lambda row: None
    learn.fit(1)


def test_a_detector_of_other_classes_keeps_all_but_its_last_layer(scenes, tmp_path):
    first = toy_detector(scenes)
    model = create_model("detect:timm:test_resnet", 5, 7, anchors=[8, 16, 32, 64, 128], proposals=(50, 20))
    export_model(model, tmp_path)
    with pytest.warns(UserWarning, match=r"box_predictor\.cls_score\.weight is \[8, 1024\], the model's \[3, 1024\]"):
        learn = toy_detector(scenes, weights=tmp_path)
    assert sorted({name.rpartition(".")[0] for name in learn.unmapped}) == [
        f"net.roi_heads.box_predictor.{layer}" for layer in ("bbox_pred", "cls_score")
    ]
    own, given, drawn = state_of(learn), model.state_dict(), state_of(first)
    for name, tensor in own.items():
        assert torch.equal(tensor, (drawn if name in learn.unmapped else given)[name].to(tensor)), name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: {**state, "0.0.weight": torch.zeros(4, 1, 3, 3)}, r"0\.0\.weight is \[4, 1, 3, 3\]"),
        (
            lambda state: {name: tensor for name, tensor in state.items() if not name.startswith("1.0")},
            "of the model's",
        ),
        (lambda state: {f"net.{name}": tensor for name, tensor in state.items()}, "of its own not in the model"),
    ],
    ids=["shape", "absent", "names"],
)
def test_what_does_not_fit_is_refused_by_name_and_changes_nothing(change, said):
    model = toy_learner().model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tensors = change({name: tensor + 1 for name, tensor in before.items()})
    with pytest.raises(ModelError, match=f"the file: .*{said}"):
        fill(model, tensors, "the file")
    assert_same_weights(before, model.state_dict())


def test_norm_layers_of_old_files_have_no_count():
    model = toy_learner().model
    tensors = {name: tensor for name, tensor in model.state_dict().items() if "num_batches" not in name}
    assert fill(model, tensors, "the file") == []


class Opens:
    def __reduce__(self):
        return open, ("executed", "w")


def test_what_is_no_file_of_weights_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "model.safetensors.index.json").write_text("{}")
    torch.save({"a": 1}, tmp_path / "none.pth")
    torch.save({"a": Opens()}, tmp_path / "code.pth")
    (tmp_path / "cut.safetensors").write_bytes(b"123")
    (tmp_path / "text.pth").write_text("hello")
    for name, kind, said in (
        ("absent", DataError, "no such file or folder"),
        ("empty", DataError, "has no file of weights: best_model.safetensors"),
        ("parts", DataError, "in parts"),
        ("none.pth", DataError, "no state dict, but a dict with the keys a"),
        ("code.pth", UnsafeFileError, "nothing was loaded"),
        ("cut.safetensors", DataError, "not a valid safetensors file"),
        ("text.pth", DataError, "text.pth: "),
    ):
        with pytest.raises(kind, match=f"{name}.*{said}|{said}"):
            toy_learner(weights=tmp_path / name)
    assert not (tmp_path / "executed").exists()


def test_recipes_of_every_task_have_the_flag(command, digits_run):
    code, out, _ = command("train", "--help")
    assert code == 0 and "--weights" in out
    words = "train digits --epochs 1 --limit-batches 2 --bs 32 --size 16 --arch tiny_cnn --dropout null --tta 0".split()
    weights = digits_run.relative_to(digits_run.parents[2])
    code, _, err = command(*words, "--weights", weights, "--lr", "1e-9", "--out", "r", "--name", "b")
    assert code == 0, err
    run = digits_run.parents[2] / "r" / "b"
    described = read_json(run / "run.json")
    assert described["resolved"]["model"]["weights"] == str(weights)
    assert described["recipe"]["learner"]["args"]["weights"] == str(digits_run)
    begun, now = read_weights(digits_run), read_weights(run)
    for name, tensor in begun.items():
        if name.endswith(("weight", "bias")):
            assert torch.allclose(tensor, now[name], atol=1e-6), name


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_of_hugging_face_fills_the_stages_of_a_mit(scenes, tmp_path, file):
    transformers = pytest.importorskip("transformers")
    config = transformers.SegformerConfig(depths=[2, 2, 2, 2], hidden_sizes=[32, 64, 160, 256])
    state = transformers.SegformerModel(config).state_dict()
    state = {f"segformer.{name}": tensor.contiguous() for name, tensor in state.items()}
    (save_file if file.endswith("safetensors") else torch.save)(state, tmp_path / file)
    learn = toy_detector(scenes, arch="mit_b0", weights=tmp_path)
    first = next(tensor for tensor in state.values() if tensor.shape == (32, 3, 7, 7))
    assert learn.unmapped == [] and torch.equal(learn.model.net.backbone.body.rgb[0].patches.conv.weight.cpu(), first)
    with pytest.raises(ModelError, match=r"SegFormer's weights are for .* backbone is timm:test_resnet"):
        toy_detector(scenes, weights=tmp_path)
