"""Runs over DataLoaders that learnerkit did not make, and callbacks in the learner of the other library."""

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.progress import CSVLogger, ShowGraphCallback
from fastai.data.core import DataLoaders
from fastai.data.transforms import RandomSplitter, get_image_files, parent_label
from fastai.vision.augment import Resize
from fastai.vision.data import ImageBlock, ImageDataLoaders
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset
from torchvision.ops import StochasticDepth as DropBranch

from learnerkit.all import (
    EMA,
    TTA,
    Accumulate,
    Autocast,
    CategoryBlock,
    CifarBlock,
    CutMix,
    DataBlock,
    EarlyStop,
    Guard,
    LabelBlock,
    Learner,
    MixUp,
    Run,
    SaveTopK,
    Schedule,
    StochasticDepth,
    create_model,
    evaluate_run,
    load_run,
)
from learnerkit.core.errors import LearnerkitError, RunError
from learnerkit.core.tensors import read_npz
from tests.conftest import assert_same_weights, make_toy_dls, state_of, toy_arrays, toy_learner

SIZE = 16


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Class folders of 48 toy pictures."""
    root = tmp_path_factory.mktemp("pictures")
    images, labels = toy_arrays(48)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (root / f"class{label}").mkdir(exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(root / f"class{label}" / f"{number}.png")
    return root


def of_folder(pictures):
    return ImageDataLoaders.from_folder(pictures, valid_pct=0.25, seed=1, bs=8, item_tfms=Resize(SIZE), num_workers=0)


def of_block(pictures, block=ImageBlock):
    how = {"get_items": get_image_files, "get_y": parent_label, "splitter": RandomSplitter(0.25, seed=1)}
    made = DataBlock((block, CategoryBlock), **how)
    return made.dataloaders(pictures, bs=8, num_workers=0)


def of_cifar_block(pictures):
    return of_block(pictures, CifarBlock(shape=(3, SIZE, SIZE)))


def of_torch(pictures):
    images, labels = (torch.as_tensor(part) for part in toy_arrays(48))
    sets = [TensorDataset(images[rows].float() / 255, labels[rows]) for rows in (slice(0, 36), slice(36, 48))]
    dls = DataLoaders(DataLoader(sets[0], 8, shuffle=True), DataLoader(sets[1], 8))
    dls.c = 3
    return dls


@pytest.mark.parametrize("make", [of_folder, of_block, of_cifar_block, of_torch])
def test_any_loaders_keep_a_run(make, pictures, tmp_path):
    dls = make(pictures)
    learn = toy_learner(Run(tmp_path, "a", checkpoint_every=1), dls=dls)
    learn.fit(2, 0.05)
    run = learn.run_folder
    names = ["0", "1", "2"] if make is of_torch else ["class0", "class1", "class2"]
    assert run.described()["classes"] == names and run.described()["data"] is None
    assert "load_run(RUN, data=dls)" in run.described()["not_rebuilt"][0]
    arrays = read_npz(run.file("predictions.npz"))
    assert arrays["probabilities"].shape == (12, 3) and set(arrays["part"]) == {"valid"}
    figures = load_run(run.path, data=dls).validate()
    assert run.results()["valid_accuracy"] == pytest.approx(figures[1])
    assert (
        "cannot rebuild" in run.file("report.html").read_text() and "Confusion" in run.file("report.html").read_text()
    )
    for call in (load_run, evaluate_run):
        with pytest.raises(RunError, match=r"pass (load_run\(\.\.\., )?data="):
            call(run.path)


def test_such_a_run_is_resumed_to_the_same_weights(pictures, tmp_path):
    class Stop(Callback):
        def at_boundary(self, whole_epoch):
            if whole_epoch and self.epoch == 1:
                raise KeyboardInterrupt

    def build(name, *cbs, resume=False):
        run = Run(tmp_path, name, resume=resume, checkpoint_every=1, report=False)
        return toy_learner([run, *cbs], dls=of_torch(pictures))

    whole, resumed = build("whole"), build("cut", resume=True)
    whole.fit(4, 0.05)
    with pytest.raises(KeyboardInterrupt):
        build("cut", Stop()).fit(4, 0.05)
    resumed.fit(4, 0.05)
    assert_same_weights(state_of(whole), state_of(resumed))
    assert len(resumed.run_folder.history()) == 4


def test_the_block_of_small_images_gives_floats_with_or_without_a_set(pictures, toy_dls):
    for dls in (of_cifar_block(pictures), with_source(toy_dls.source)):
        images = dls.one_batch()[0]
        assert images.dtype == torch.float32 and 0.2 < float(images.max()) <= 1
    normalised = make_toy_dls().one_batch()[0]
    assert normalised.dtype == torch.float32 and float(normalised.min()) < 0  # once alone


def with_source(source):
    rows = list(range(len(source)))
    block = DataBlock((CifarBlock(source), LabelBlock(source)), splitter=RandomSplitter(0.2, seed=1))
    return block.dataloaders(rows, bs=8)


# callbacks in the other library's learner

NEED_OURS = {
    "Run": lambda: Run("never"),
    "Schedule": lambda: Schedule("cosine"),
    "EMA": lambda: EMA(),
    "EarlyStop": lambda: EarlyStop(),
    "SaveTopK": lambda: SaveTopK(),
    "Guard": lambda: Guard(),
}
WORK = {
    "CutMix": lambda: CutMix(p=1.0),
    "MixUp": lambda: MixUp(p=1.0),
    "StochasticDepth": lambda: StochasticDepth(0.5),
    "TTA": lambda: TTA(2),
    "Accumulate": lambda: Accumulate(2),
    "Autocast": lambda: Autocast("bf16"),
}


def plain_learner(dls, callback):
    torch.manual_seed(1)
    model = create_model("wrn_10_1", 3, 3)
    learn = Learner(dls, model, loss_func=torch.nn.CrossEntropyLoss(), cbs=callback, lr=0.01)
    learn.logger = lambda row: None
    return learn


@pytest.mark.parametrize("name", NEED_OURS)
def test_a_callback_that_needs_our_learner_says_so(name, toy_dls):
    with pytest.raises(LearnerkitError, match=f"{name}: works in a learner of learnerkit, .*KitLearner takes"):
        plain_learner(toy_dls, NEED_OURS[name]())


@pytest.mark.parametrize("name", WORK)
def test_the_others_work_in_a_plain_learner_and_are_restored(name, toy_dls):
    learn = plain_learner(toy_dls, WORK[name]())
    rates = [module.p for module in learn.model.modules() if isinstance(module, DropBranch)]
    before = {key: value.to(toy_dls.device, copy=True) for key, value in learn.model.state_dict().items()}
    with learn.no_bar():
        learn.fit(1)
        loss = learn.validate()[0]
    assert np.isfinite(loss)
    assert any(not torch.equal(value, before[key]) for key, value in learn.model.state_dict().items())
    assert rates == [module.p for module in learn.model.modules() if isinstance(module, DropBranch)]


@pytest.mark.parametrize("make", [ShowGraphCallback, lambda: CSVLogger("figures.csv")])
def test_fastais_own_show_and_log_in_ours(make, tmp_path):
    learn = toy_learner(make(), path=tmp_path)
    learn.fit(2)
    assert len(learn.recorder.values) == 2
