"""The twelve things that fastai asks of a loader, on ResidentDL, and the DataBlock API whole."""

import numpy as np
import pytest
import torch
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.transforms import IndexSplitter, parent_label
from fastai.torch_core import TensorCategory, default_device
from fastai.vision.augment import Resize
from fastai.vision.core import PILImage, TensorImage

from learnerkit._fastai import ClassificationInterpretation
from learnerkit.all import CifarBlock, ResidentDL
from learnerkit.core.errors import DataError
from tests.conftest import make_toy_dls, toy_arrays, toy_learner
from tests.images import write_folder


def test_new(toy_dls):
    dl = toy_dls.train.new(bs=5, shuffle=False, drop_last=False)
    assert isinstance(dl, ResidentDL) and dl.bs == 5 and len(dl) == 14 and dl.dataset is toy_dls.train.dataset
    first = next(iter(dl))
    assert first[1].tolist() == toy_dls.source.labels[dl.items[:5]].tolist()


def test_dataset_with_set_split_idx():
    dls = make_toy_dls(crop=3)
    dl = dls.valid.new(shuffle=False)
    plain = dl.one_batch()[0]
    with dl.dataset.set_split_idx(0):
        augmented = dl.one_batch()[0]
    assert not torch.equal(plain, augmented) and torch.equal(plain, dl.one_batch()[0])


def test_items_and_vocab(toy_dls):
    assert toy_dls.valid.items == toy_dls.split.valid.tolist()
    assert list(toy_dls.vocab) == ["top", "middle", "bottom"] and toy_dls.c == 3
    assert toy_dls.vocab.o2i["bottom"] == 2


def test_n_inp_device_and_drop_last(toy_dls):
    assert toy_dls.n_inp == 1 and toy_dls.train.device == default_device()
    assert toy_dls.train.drop_last and not toy_dls.valid.drop_last
    assert len(toy_dls.train) == 4 and sum(len(x) for x, _ in toy_dls.train) == 64
    assert sum(len(x) for x, _ in toy_dls.valid) == 14
    toy_dls.to("cpu")
    assert toy_dls.train.one_batch()[0].device == torch.device("cpu")


def test_get_idxs(toy_dls):
    assert sorted(toy_dls.train.get_idxs()) == list(range(68))
    assert list(toy_dls.valid.get_idxs()) == list(range(14))


def test_train_ds_and_valid_ds(toy_dls):
    image, label = toy_dls.valid_ds[3]
    assert isinstance(image, TensorImage) and image.dtype == torch.uint8 and isinstance(label, TensorCategory)
    next(iter(toy_dls.valid))  # after which the whole is on the loader's device
    image, label = toy_dls.valid_ds[3]
    assert image.device.type == label.device.type == "cpu"
    assert len(toy_dls.train_ds) == 68
    assert np.array_equal(image, toy_dls.source.images[toy_dls.split.valid[3]])


def test_test_dl_of_rows_arrays_images_and_paths(toy_dls, tmp_path):
    image = toy_dls.source.images[0]
    rows = toy_dls.test_dl([0, 1], with_labels=True).one_batch()
    array = toy_dls.test_dl([image, image.transpose(1, 2, 0)]).one_batch()
    PILImage.create(image.transpose(1, 2, 0)).save(tmp_path / "a.png")
    files = toy_dls.test_dl([tmp_path / "a.png", str(tmp_path / "a.png")]).one_batch()
    assert len(rows) == 2 and len(array) == 1
    for batch in (array, files):
        assert torch.equal(batch[0][0], rows[0][0]) and torch.equal(batch[0][1], rows[0][0])
    with pytest.raises(DataError, match=r"floats are in 0\.\.1"):
        toy_dls.test_dl([image.astype(np.float32)]).one_batch()


def test_decode_batch_show_batch_and_pre_show_batch(toy_dls):
    batch = toy_dls.valid.one_batch()
    decoded = toy_dls.valid.decode_batch(batch, max_n=4)
    assert len(decoded) == 4 and decoded[0][1] in toy_dls.vocab
    original = toy_dls.source.images[toy_dls.split.valid[0]]
    assert np.abs(decoded[0][0].numpy() * 255 - original).max() < 0.6
    x, y, its = toy_dls.valid._pre_show_batch(batch, max_n=3)
    assert isinstance(x, TensorImage) and isinstance(y, TensorCategory) and len(its) == 3
    toy_dls.show_batch(max_n=4)


def test_the_five_names_a_fastai_user_tries_first():
    learn = toy_learner()
    learn.dls.show_batch()
    assert learn.lr_find(num_it=12).valley > 0
    learn.fit_one_cycle(1)
    learn.show_results()
    interpretation = ClassificationInterpretation.from_learner(learn)
    interpretation.plot_top_losses(9)
    assert interpretation.confusion_matrix().sum() == 14


def test_predict_tta_and_export_of_fastai_work(tmp_path, toy_dls):
    learn = toy_learner(dls=make_toy_dls(crop=2))
    learn.fit_one_cycle(4, 0.2)
    name, code, probabilities = learn.predict(learn.dls.source.images[learn.dls.split.valid[0]])
    assert name == learn.dls.vocab[int(code)] and probabilities.sum() == pytest.approx(1, abs=1e-5)
    preds, targets = learn.tta(n=2)
    assert preds.shape == (14, 3) and len(targets) == 14


def test_one_index_serves_all_parts(toy_dls):
    tensors = [dl.columns()[0][0] for dl in toy_dls.loaders]
    assert len({tensor.data_ptr() for tensor in tensors}) == 1


def test_own_datablock_with_paths(tmp_path):
    root = write_folder(tmp_path, n=6)
    files = sorted(root.rglob("*.png"))
    block = DataBlock((CifarBlock(shape=(3, 8, 8)), CategoryBlock), get_y=parent_label, splitter=IndexSplitter([0, 7]))
    dls = block.dataloaders(files, bs=4)
    x, y = dls.one_batch()
    assert isinstance(dls.train, ResidentDL) and x.shape == (4, 3, 8, 8) and list(dls.vocab) == ["a", "b"]
    assert len(y) == 4 and len(dls.valid_ds) == 2


def test_item_transforms_are_refused_by_name():
    images, _ = toy_arrays()
    block = DataBlock((CifarBlock(shape=(3, 16, 16)), CategoryBlock), item_tfms=Resize(8), get_y=lambda x: 0)
    with pytest.raises(DataError, match=r"item_tfms Resize.*batch_tfms"):
        block.dataloaders(list(images), bs=4)


def test_items_of_different_shapes_are_named(toy_dls):
    dl = toy_dls.test_dl([np.zeros((3, 16, 16), np.uint8)])
    dl.dataset.tls[0].tfms.fs.clear()
    dl.dataset.tls[0].items = [torch.zeros(3, 2), torch.zeros(3, 3)]
    with pytest.raises(DataError, match=r"item 1 is .*resident set needs tensors of one shape"):
        dl.columns()
