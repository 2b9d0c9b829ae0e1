"""Learners that fuse two maps: what they learn, save, export and show."""

import warnings

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from learnerkit.all import (
    TTA,
    CutMix,
    Fusion,
    ImageInterpretation,
    Run,
    array_dls,
    create_model,
    export_model,
    fusion_learner,
    image_learner,
    load_model,
    load_run,
    make_saliency_pairs,
    model_info,
    saliency_dls,
)
from learnerkit.core.errors import ModelError, RecipeError
from learnerkit.fuse.dls import pair_dls
from learnerkit.fuse.modes import EVERY_MODE
from learnerkit.fuse.scan import read_pairs
from tests.conftest import toy_arrays
from tests.pairs import make_pair_dls, write_pairs, xor_source


def learner(mode="concat", dls=None, arch="tiny_cnn", **kwargs):
    learn = fusion_learner(dls or make_pair_dls(), arch, fusion=mode, **{"seed": 1, "lr": 0.05, **kwargs})
    learn.logger = lambda row: None
    return learn


@pytest.mark.parametrize("mode", EVERY_MODE)
def test_every_mode_trains_and_survives_export(mode, tmp_path):
    learn = learner(mode)
    channels = learn.model.body[0][0].in_channels
    assert channels == (6 if mode == "concat" else 3)
    learn.fit_one_cycle(4, 0.1)
    assert learn.validate()[1] > 0.6
    export_model(learn.model, tmp_path / "m")
    again = load_model(tmp_path / "m")
    maps = torch.rand(2, 5, 3, 8, 8)
    assert torch.allclose(learn.model.eval().cpu()(*maps), again(*maps), atol=1e-5)
    assert again.reported() == learn.model.reported()
    if mode == "gated":
        assert learn.model.reported()["saliency"] != pytest.approx([0.6] * 3, abs=1e-4)


XOR = {"concat": True, "multiply": True, "saliency_only": False, "attention_only": False}


@pytest.mark.parametrize(("mode", "learns"), XOR.items())
def test_xor_needs_both_maps(mode, learns):
    """The class is whether the signs of the maps differ; one map alone leaves it a toss of a coin."""
    learn = learner(mode, dls=pair_dls(xor_source(), bs=20), model_args={"width": 8})
    learn.fit_one_cycle(12, 0.1)
    accuracy = learn.validate()[1]
    assert accuracy > 0.95 if learns else 0.3 < accuracy < 0.7


def test_wrn_28_10_has_the_published_size():
    model = create_model("fuse:wrn_28_10", 3, 24, fusion="concat")
    count = sum(p.numel() for p in model.parameters())
    # convolutions of 16, then 4 blocks of 160, 320, 640; see `expected` below
    assert count == expected_parameters(6, 24) and round(count / 1e6, 1) == 36.5


def expected_parameters(n_in, n_out, k=10, blocks=4):
    total, before = 9 * 16 * n_in, 16
    for width in (16 * k, 32 * k, 64 * k):
        for block in range(blocks):
            wide_in = before if block == 0 else width
            total += 2 * wide_in + 9 * wide_in * width + 2 * width + 9 * width * width
            total += wide_in * width if block == 0 else 0
        before = width
    return total + 2 * before + before * n_out + n_out


def test_a_wide_resnet_equals_its_plain_restatement():
    """The same weights through functions of torch alone, written from the paper."""
    model = create_model("fuse:wrn_16_2", 3, 5, fusion="concat").eval()
    with torch.no_grad():
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)
        saliency, attention = torch.rand(2, 4, 3, 16, 16)
        stem, *blocks = list(model.body)[:7]
        x = nn.functional.conv2d(torch.cat([saliency, attention], 1), stem.weight, padding=1)
        for position, block in enumerate(blocks):  # two in each of three groups
            stride = 2 if position in (2, 4) else 1
            active = batch_norm(x, block.bn1).relu()
            branch = nn.functional.conv2d(active, block.conv1.weight, stride=stride, padding=1)
            branch = nn.functional.conv2d(batch_norm(branch, block.bn2).relu(), block.conv2.weight, padding=1)
            first = position % 2 == 0
            x = branch + (nn.functional.conv2d(active, block.shortcut.weight, stride=stride) if first else x)
        pooled = batch_norm(x, model.body[7]).relu().mean(dim=(2, 3))
        plain = pooled @ model.body[-1].weight.T + model.body[-1].bias
        assert torch.allclose(model(saliency, attention), plain, atol=1e-5)


def batch_norm(x, layer):
    shape = (1, -1, 1, 1)
    scaled = (x - layer.running_mean.view(shape)) / (layer.running_var.view(shape) + layer.eps).sqrt()
    return scaled * layer.weight.view(shape) + layer.bias.view(shape)


def test_the_callback_says_what_is_wrong():
    with pytest.raises(ModelError, match=r"fused maps have 6 channels and the model takes 3; build it with n_in=6"):
        image_learner(make_pair_dls(), create_model("tiny_cnn", 3, 3), cbs=Fusion("concat"))
    with pytest.raises(RecipeError, match="did you mean"):
        Fusion("concatenate")
    built = image_learner(make_pair_dls(), create_model("tiny_cnn", 6, 3), cbs=Fusion("concat"))
    assert built.model.spec["fusion"] == "concat"
    late = image_learner(make_pair_dls(), create_model("fuse:tiny_cnn", 3, 3, fusion="add"))
    late.fit(1)
    with pytest.raises(ModelError, match="by 'add' already"):
        image_learner(make_pair_dls(), late.model, cbs=Fusion("max"))
    plain = image_learner(make_pair_dls(), create_model("tiny_cnn", 3, 3))
    with pytest.raises(ModelError, match="added too late"):
        plain.fit(1, cbs=Fusion("add"))
    with pytest.raises(ModelError, match=r"depth must be 6n\+4; the nearest are 22 and 28"):
        learner(arch="wrn_27_10")


def test_a_learner_made_with_the_callback_is_loaded_again(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))
    write_pairs(tmp_path / "set", n=20)
    dls = saliency_dls(tmp_path / "set", bs=8, stats="data")
    learn = image_learner(dls, "tiny_cnn", cbs=[Fusion("gated"), Run(tmp_path / "runs", "a")])
    learn.logger = lambda row: None
    learn.fit(1)
    again = load_run(tmp_path / "runs" / "a", weights="final_model")
    assert list(again.validate()) == pytest.approx(list(learn.validate()), abs=1e-5)


def test_pairs_are_made_below_their_folder(tmp_path):
    images, labels = toy_arrays(24)
    dls = array_dls(images, labels, bs=4, vocab=["a/b", "../../evil", "c"])
    dls.source.ids = [f"img{' ' if row % 2 else '_'}{row // 2}" for row in range(24)]
    learn = image_learner(dls, "tiny_cnn")
    make_saliency_pairs(learn, dls, tmp_path / "out", layer="all")
    assert len(list((tmp_path / "out").rglob("*.pt"))) == 72 and [p.name for p in tmp_path.iterdir()] == ["out"]
    source = read_pairs(tmp_path / "out")
    assert source.vocab == ["a/b", "../../evil", "c"] and len(set(source.groups.tolist())) == 24
    with pytest.raises(ModelError, match="takes a classifier of images"):
        make_saliency_pairs(learner(), dls, tmp_path / "out")


def test_fastai_on_pairs(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))
    write_pairs(tmp_path / "set", n=20)
    dls = saliency_dls(tmp_path / "set", bs=8)
    learn = learner("weighted", dls, "wrn_10_1", cbs=[CutMix(p=0.5), Run(tmp_path / "runs", "a")])
    assert learn.recipe["args"]["fusion"] == "weighted"
    learn.fit_one_cycle(2, 0.02)
    preds, _ = learn.get_preds()
    assert preds.shape == (9, 3) and torch.allclose(preds.sum(1), torch.ones(9), atol=1e-5)
    averaged, _ = learn.get_preds(cbs=TTA(3))
    assert not torch.equal(preds, averaged)
    name, code, probabilities = learn.predict(int(dls.split.valid[0]))
    assert name == dls.vocab[int(code)] and torch.allclose(probabilities, preds[0], atol=1e-5)
    learn.show_results(max_n=2)
    assert "predicted: " in plt.gcf().axes[0].get_title()
    found = ImageInterpretation.from_learner(learn)
    assert found.confusion_matrix().sum() == 9
    found.plot_top_losses(2)
    again = load_run(tmp_path / "runs" / "a")
    assert again.model.fusion == "weighted" and len(again.dls.source) == 60
    assert load_model(tmp_path / "runs" / "a").fusion == "weighted"
    assert model_info(learn.model)["parameters"] == sum(p.numel() for p in learn.model.parameters())
    learn.lr_find(show_plot=False, num_it=5)


def test_a_run_of_a_fusion_is_no_occasion_for_warnings(tmp_path):
    learn = learner("gated", cbs=Run(tmp_path, "a"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of an attribute that model and callback share, too
        learn.fit(1)
    assert (tmp_path / "a" / "report.html").exists()
