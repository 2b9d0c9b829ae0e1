"""ONNX files against their models by onnxruntime, what they say of themselves, and what is never written."""

import copy
import importlib
import re

import numpy as np
import onnxruntime
import pytest
import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from learnerkit.all import (
    ModelError,
    Run,
    RunError,
    create_model,
    export_model,
    fusion_learner,
    image_learner,
    list_models,
    load_model,
    load_run,
)
from learnerkit.core.calibrated import Calibration, read_calibration, write_calibration
from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.core.files import write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.fuse.modes import EVERY_MODE
from learnerkit.models.create import takes
from learnerkit.runs.onnx import random_samples, read_onnx, write_onnx
from tests.conftest import assert_same_weights, make_toy_dls, state_of, toy_learner
from tests.pairs import make_pair_dls

QUICK = ["tiny_cnn", "simple_cnn", "wrn_10_1"]
SLOW = {
    "resnet18": 32, "resnet34": 32, "se_resnet": 32, "hybrid_resnet": 32, "vgg11": 32, "vgg11_bn": 32, "resnet50": 32,
    "quicknet": 32, "mobilenet_v2": 32, "mobilenet_v3_small": 32, "resnet18_imagenet": 64,
    "timm:test_vit": 160, "timm:test_convnext": 64, "timm:test_resnet": 64,
}  # fmt: skip


def run_file(file, *inputs):
    """What onnxruntime makes of a file."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return session.run(None, {one.name: part.numpy() for one, part in zip(session.get_inputs(), inputs, strict=True)})


def check(model, file, *shapes):
    """The file gives what the model gives, for batches of several sizes."""
    model.cpu()
    for n in (1, 2, 7):
        samples = random_samples(shapes, n)
        with torch.no_grad():
            expected = model.eval()(*samples)
        (found,) = run_file(file, *samples)
        assert found.shape == expected.shape and np.abs(found - expected.numpy()).max() <= 1e-4


def drawn_statistics(model):
    """Batch norm with statistics that are not those of a new model, so that its mode is seen in the outputs."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * torch.randn(module.num_features, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(module.num_features, generator=generator))
    return model


@pytest.mark.parametrize("name", QUICK)
def test_a_family_is_the_same_in_its_file(name, tmp_path):
    model = drawn_statistics(create_model(name, 3, 7, **({"dropout": 0.5} if takes(name, "dropout") else {})))
    file = export_model(model.train(), tmp_path / "deep" / "model.onnx")
    check(model, file, (3, 32, 32))
    said = read_onnx(file)
    assert said["model"] == name and said["inputs"] == ["image"] and said["check"]["difference"] <= 1e-4
    assert said["preprocessing"]["shape"] == [3, 32, 32] and said["opset"] == 18


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_further_families_are_the_same_in_their_files(name, tmp_path):
    model = drawn_statistics(create_model(name, 3, 7))
    check(model, export_model(model, tmp_path / "model.onnx", size=SLOW[name]), (3, SLOW[name], SLOW[name]))


def test_every_family_of_classifiers_is_tried():
    tried = {re.match(r"[a-z_]+", name)[0] for name in (*QUICK, *SLOW)}
    kinds = {re.match(r"[a-z_]+", name)[0] for name in list_models() if ":" not in name}
    assert kinds <= tried | {"mobilenet_v"}


QUICK_MODES = ("concat", "saliency_only")  # of the second the attention map is an input that nothing reads
MODES = [mode if mode in QUICK_MODES else pytest.param(mode, marks=pytest.mark.slow) for mode in EVERY_MODE]


@pytest.mark.parametrize("mode", MODES)
def test_every_fusion_is_the_same_in_its_file(mode, tmp_path):
    model = create_model("fuse:tiny_cnn", 3, 5, fusion=mode, width=4)
    file = export_model(model, tmp_path / "model.onnx", size=(16, 24))
    check(model, file, (3, 16, 24), (3, 16, 24))
    assert read_onnx(file)["inputs"] == ["saliency", "attention"] and read_onnx(file)["task"] == "fuse"


def test_of_a_learner_its_weights_now_on_samples_of_its_own(tmp_path):
    learn = toy_learner()
    learn.fit(1, 0.05)
    learn.model.train()
    seen, before = [], state_of(learn)
    handle = next(learn.model.children()).register_forward_hook(lambda module, given, out: seen.append(out.shape))
    state, rng = [module.training for module in learn.model.modules()], torch.get_rng_state()
    said = read_onnx(export_model(learn, tmp_path / "model.onnx"))
    assert said["check"]["kind"] == "valid" and said["check"]["samples"] == 14
    assert [module.training for module in learn.model.modules()] == state
    assert torch.equal(torch.get_rng_state(), rng) and next(learn.model.parameters()).requires_grad
    assert_same_weights(before, state_of(learn))
    n = len(seen)
    learn.model.eval()(torch.zeros(1, 3, 16, 16, device=learn.dls.device))
    assert len(seen) == n + 1  # the hook is where it was
    handle.remove()
    check(learn.model, tmp_path / "model.onnx", (3, 16, 16))


def test_of_a_run_its_best_weights_and_all_that_its_use_needs(tmp_path, command):
    learn = toy_learner([Run(tmp_path, "run", report=False)])
    learn.fit(2, 0.05)
    write_calibration(tmp_path / "run", {"plain": Calibration(1.75, {"0.9": 0.2})})
    code, out, err = command("export", tmp_path / "run", "made/model.onnx")
    assert code == 0 and "greatest difference" in out and "opset 18" in out, err
    said = read_onnx(tmp_path / "made" / "model.onnx")
    source = learn.dls.source
    assert said["classes"] == ["top", "middle", "bottom"] and said["task"] == "classify"
    assert said["temperature"] == 1.75 and said["output"] == "logits" and said["learnerkit"]
    steps = said["preprocessing"]
    assert (steps["mean"], steps["std"]) == (list(source.stats[0]), list(source.stats[1]))
    assert steps["size"] == [16, 16] and steps["resize"] == "squish" and steps["scale"] == 1 / 255
    pixels = source.images[:5]
    normal = (pixels / 255 - np.array(steps["mean"])[:, None, None]) / np.array(steps["std"])[:, None, None]
    (logits,) = run_file(tmp_path / "made" / "model.onnx", torch.from_numpy(normal.astype(np.float32)))
    best = load_run(tmp_path / "run", data=make_toy_dls())
    expected = best.get_preds(dl=best.dls.test_dl(list(range(5))))[0]
    assert torch.allclose(torch.from_numpy(logits).softmax(1), expected, atol=1e-5)
    assert "temperature" not in read_onnx(export_model(tmp_path / "run", tmp_path / "f.onnx", weights="final"))
    folder = export_model(tmp_path / "run", tmp_path / "folder")
    assert_same_weights(load_model(folder).state_dict(), load_model(tmp_path / "run").state_dict())
    assert read_calibration(folder).temperature == 1.75
    assert read_onnx(export_model(folder, tmp_path / "again.onnx", size=16))["temperature"] == 1.75


def test_a_learner_of_pairs_says_how_its_maps_are_normalised(tmp_path):
    learn = fusion_learner(make_pair_dls(stats="data"), "tiny_cnn", fusion="multiply", model_args={"width": 4})
    said = read_onnx(export_model(learn, tmp_path / "model.onnx"))
    mean, std = learn.dls.source.stats
    assert said["preprocessing"]["mean"] == {"saliency": list(mean[:3]), "attention": list(mean[3:])}
    assert said["preprocessing"]["std"]["attention"] == list(std[3:]) and said["check"]["kind"] == "valid"
    check(learn.model, tmp_path / "model.onnx", (3, 8, 8), (3, 8, 8))


class OfItsValues(nn.Module):
    """A model whose path depends on what it is given."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)

    def forward(self, images):
        means = self.layer(images).mean((2, 3))
        return 2 * means if means.sum() > 0 else means


class OfItsBatch(nn.Module):
    """A model that does not give the same for a sample alone."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)

    def forward(self, images):
        means = self.layer(images).mean((2, 3))
        return means - means.mean(dim=0)


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(tmp_path, capfd):
    for model, said in (
        (OfItsValues(), "OfItsValues: cannot be exported as ONNX: .*data-dependent"),
        (OfItsBatch(), "gives other outputs than the model"),
    ):
        with pytest.raises(ModelError, match=said):
            export_model(model, tmp_path / "model.onnx", size=64)
    assert not list(tmp_path.iterdir()) and capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_detector_is_refused_by_name(tmp_path):
    detector = create_model("detect:timm:test_resnet", 3, 2, detections=5, proposals=(20, 10))
    with pytest.raises(ModelError, match=r"detect:timm:test_resnet: cannot be exported as ONNX: .*batched_nms"):
        export_model(detector, tmp_path / "model.onnx", size=64)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("model.pt", "kind .pt is not written, and a pickle runs"),
        ("model.pth", "a pickle runs"),
        ("model.torchscript", "PyTorch's own programs"),
        ("model.safetensors", "weights alone do not say their model.*Give model.onnx"),
        ("model.onn", "kind .onn is not written. Give model.onnx"),
    ],
)
def test_a_suffix_that_promises_something_else_is_refused(file, said, tmp_path):
    with pytest.raises(ModelError, match=said):
        export_model(create_model("tiny_cnn"), tmp_path / file)
    assert not list(tmp_path.iterdir())


def test_a_version_is_no_suffix(tmp_path):
    assert load_model(export_model(create_model("tiny_cnn"), tmp_path / "net-1.2")).spec["name"] == "tiny_cnn"


def test_what_stands_in_the_way_is_told(tmp_path, monkeypatch):
    model = create_model("tiny_cnn", width=4)
    (tmp_path / "file").write_text("x")
    (tmp_path / "dir.onnx").mkdir()
    for file, said in (("file/model.onnx", "a file stands where a folder"), ("dir.onnx", "a folder stands in its")):
        with pytest.raises(LearnerkitError, match=said):
            export_model(model, tmp_path / file)
    (tmp_path / "no.onnx").write_text("no graph")
    with pytest.raises(DataError, match=r"no\.onnx: cannot be read as ONNX"):
        read_onnx(tmp_path / "no.onnx")

    def without(name):
        if name.startswith("onnxscript"):
            raise ImportError("no module of that name")
        return importlib.import_module(name)

    monkeypatch.setattr("learnerkit.core.optional.import_module", without)
    with pytest.raises(LearnerkitError, match=r"needs onnxscript .*pip install 'learnerkit\[onnx\]'"):
        export_model(model, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_a_run_that_cannot_be_used_is_refused(tmp_path):
    learn = toy_learner([Run(tmp_path, "run", report=False)])
    learn.fit(1, 0.05)
    run = RunFolder.open(tmp_path / "run")
    write_json(run.file("status.json"), {"state": "running"})
    run.lock()
    with pytest.raises(RunError, match="is in use"):
        export_model(run.path, tmp_path / "model.onnx")
    run.unlock()
    run.file("model.json").unlink()
    with pytest.raises(RunError, match=r"has no model\.json"):
        export_model(run.path, tmp_path / "model.onnx")
    with pytest.raises(RunError, match="is not a run folder"):
        export_model(tmp_path / "nowhere", tmp_path / "model.onnx")


def test_a_module_of_ones_own_and_loaders_of_ones_own(tmp_path):
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.9), nn.Linear(4, 3))
    learn = image_learner(make_toy_dls(), body)
    said = read_onnx(export_model(learn, tmp_path / "model.onnx"))
    assert said["model"] == "Sequential" and said["classes"] == ["top", "middle", "bottom"]
    check(body, tmp_path / "model.onnx", (3, 16, 16))
    with pytest.raises(ModelError, match="was not built by create_model"):
        export_model(learn, tmp_path / "folder")
    images, labels = torch.rand(6, 3, 20, 20), torch.arange(6) % 3
    loaders = [DataLoader(TensorDataset(images, labels), batch_size=4) for _ in range(2)]
    dls = DataLoaders(*loaders)
    dls.c = 3
    said = read_onnx(export_model(image_learner(dls, body), tmp_path / "other.onnx"))
    assert said["preprocessing"] == {"shape": [3, 20, 20]} and said["check"]["samples"] == 6
    with pytest.raises(ModelError, match=r"Learner: give a run, a learner of learnerkit, or a module \(learn.model\)"):
        export_model(Learner(dls, body, nn.CrossEntropyLoss()), tmp_path / "third.onnx")


def test_a_difference_beyond_a_thousandth_is_refused(tmp_path, monkeypatch):
    model, samples = create_model("tiny_cnn", width=4), random_samples([(3, 16, 16)])
    monkeypatch.setattr(
        "learnerkit.runs.onnx._outputs", lambda model, given: model.eval()(*given).detach().numpy() * 1.01
    )
    with pytest.raises(ModelError, match="gives other outputs than the model: they differ by"):
        write_onnx(model, tmp_path / "model.onnx", samples, ["image"], {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16, torch.double])
def test_a_model_of_another_precision_is_exported_in_float32(dtype, tmp_path):
    model = create_model("tiny_cnn", width=4).to(dtype)
    file = export_model(model, tmp_path / "model.onnx", size=16)
    assert {tensor.dtype for tensor in model.parameters()} == {dtype}
    check(copy.deepcopy(model).float(), file, (3, 16, 16))


def test_hooks_that_change_what_a_model_gives_are_found(tmp_path):
    model = create_model("tiny_cnn", width=4)
    model.register_forward_hook(lambda module, given, out: out * 2)
    with pytest.raises(ModelError, match="gives other outputs than the model"):
        export_model(model, tmp_path / "model.onnx", size=16)


def test_a_model_that_cannot_run_is_told_in_its_own_words(tmp_path):
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    sized = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    for model, size, said in (
        (lazy, None, r"has weights without a shape \(0\.weight, 0\.bias\); give it a batch first"),
        (sized, 16, r"fails on the samples \[32, 3, 16, 16\].*784.*size="),
    ):
        with pytest.raises(ModelError, match=said):
            export_model(model, tmp_path / "model.onnx", size=size)
    assert not list(tmp_path.iterdir())
    lazy(torch.zeros(1, 3, 16, 16))
    check(lazy, export_model(lazy, tmp_path / "model.onnx", size=16), (3, 16, 16))
    check(sized, export_model(sized, tmp_path / "sized.onnx", size=8), (3, 8, 8))


def test_a_run_that_has_not_begun_is_told(tmp_path):
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "run.json", {"task": "classify", "recipe": {"learner": None, "dls": None}})
    with pytest.raises(RunError, match=r"run: nothing has been trained yet"):
        export_model(tmp_path / "run", tmp_path / "model.onnx")
    write_json(tmp_path / "run" / "model.json", {"name": "tiny_cnn"})
    with pytest.raises(RunError, match=r"run: nothing has been trained yet"):
        export_model(tmp_path / "run", tmp_path / "model.onnx")


def test_a_folder_of_others_is_not_exported_into(tmp_path):
    model, run, own = create_model("tiny_cnn"), tmp_path / "run", tmp_path / "own"
    for file in (run / "run.json", run / "model.json", run / "best_model.safetensors", own / "notes.txt"):
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}")
    for folder, said in ((run, "is a run, and nothing of it is overwritten"), (own, "other files, such as notes.txt")):
        before = {file: file.read_bytes() for file in folder.iterdir()}
        with pytest.raises(RunError, match=said):
            export_model(model, folder)
        assert before == {file: file.read_bytes() for file in folder.iterdir()}
    (tmp_path / "new").mkdir()
    for _ in range(2):  # an empty folder, then one of an earlier export
        assert load_model(export_model(model, tmp_path / "new")).spec["name"] == "tiny_cnn"
