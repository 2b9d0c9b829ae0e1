"""Passes in which each class is drawn equally often: the shares, the order as a function of (seed, epoch)."""

import random

import numpy as np
import pytest
import torch

from learnerkit._fastai import Callback
from learnerkit.all import array_dls, image_learner
from learnerkit.core.errors import DataError, RecipeError
from learnerkit.data.drawn import balanced_order
from tests.conftest import make_toy_dls, toy_arrays, toy_learner

LABELS = np.repeat([0, 1, 2], [80, 12, 4])


class Keep(Callback):
    """Keeps the order of each training pass."""

    def __init__(self, orders):
        self.orders = orders

    def after_train(self):
        self.orders.append(list(self.learn.dls.train.pass_order))


def uneven(**kwargs):
    images, _ = toy_arrays(len(LABELS))
    images[:, 0, 0, 0] = np.arange(len(LABELS))  # lest two are copies
    return array_dls(images, LABELS, bs=16, split=(0.5, 0.25, 0.25), **kwargs)


def test_each_class_has_one_chance_and_each_sample_of_it():
    codes = np.array([5, 0, 5, 5, 9, 5, 0, 5])
    drawn = np.array(balanced_order(codes, 30_000, random.Random(1)))
    assert np.bincount(codes[drawn])[[0, 5, 9]] / len(drawn) == pytest.approx([1 / 3] * 3, abs=0.01)
    within = np.bincount(drawn, minlength=8)[[0, 2, 3, 5, 7]] / len(drawn)
    assert within == pytest.approx([1 / 15] * 5, abs=0.006)
    assert balanced_order(codes, 9, random.Random(3)) == balanced_order(codes, 9, random.Random(3))
    assert balanced_order(codes, 9, random.Random(3)) != balanced_order(codes, 9, random.Random(4))


def test_the_training_part_alone_is_drawn_so_and_keeps_its_length():
    dls, plain = uneven(sampler="balanced"), uneven()
    assert len(dls.train) == len(plain.train) and dls.recipe["args"]["sampler"] == "balanced"
    labels = [code for _ in range(30) for _, y in dls.train for code in y.tolist()]
    assert np.bincount(labels) / len(labels) == pytest.approx([1 / 3] * 3, abs=0.06)
    assert sorted(dls.valid.get_idxs()) == list(range(len(dls.split.valid)))
    assert sorted(dls.train.new(shuffle=False).get_idxs()) == list(range(len(dls.split.train)))
    assert sorted(dls.test_dl(list(range(9))).get_idxs()) == list(range(9))


def test_the_draw_is_a_function_of_seed_and_epoch():
    def passes(seed):
        learn, orders = toy_learner(dls=uneven(sampler="balanced"), seed=seed), []
        learn.fit(2, cbs=[Keep(orders)])
        return orders

    first = passes(1)
    assert first == passes(1) and first[0] != first[1] and first != passes(2)


def test_weights_by_hand():
    learn = image_learner(uneven(), "tiny_cnn", class_weights="balanced")
    codes = learn.dls.source.labels[learn.dls.split.train]
    n = np.bincount(codes)  # 40, 6 and 2 of 48: 48 / (3 * 40) = .4, 48 / 18 = 2.667, 48 / 6 = 8
    assert n.tolist() == [40, 6, 2]
    assert learn.loss_func.func.weight.tolist() == pytest.approx([0.4, 8 / 3, 8.0])
    logits, targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]]), torch.tensor([0, 2])
    each = -logits.log_softmax(1)[[0, 1], targets]
    loss = learn.loss_func(logits.to(learn.dls.device), targets.to(learn.dls.device))
    assert float(loss) == pytest.approx(float((0.4 * each[0] + 8 * each[1]) / 8.4))


def test_weights_that_cannot_be_given():
    with pytest.raises(RecipeError, match=r"class_weights='balanced', loss_func=CrossEntropyLoss\(\)\).*leave one"):
        image_learner(make_toy_dls(), "tiny_cnn", class_weights="balanced", loss_func=torch.nn.CrossEntropyLoss())
    with pytest.warns(UserWarning, match="rare classes count twice"):
        image_learner(uneven(sampler="balanced"), "tiny_cnn", class_weights="balanced")
    dls = make_toy_dls()
    own = type(dls).__mro__[1](*dls.loaders)
    with pytest.raises(DataError, match="the dls are of your own"):
        image_learner(own, "tiny_cnn", class_weights="balanced")
