"""Losses that say nothing of how predictions are read: those of torch, and one's own."""

import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from learnerkit._fastai import CrossEntropyLossFlat
from learnerkit.all import ImageInterpretation, fusion_learner
from learnerkit.classify.loss import ClassLoss, readable
from tests.conftest import toy_learner
from tests.pairs import make_pair_dls


class OwnLoss(nn.Module):
    """Without a word on how it is reduced."""

    def forward(self, pred, target):
        return F.cross_entropy(pred, target)


class Decoding(OwnLoss):
    """That says how outputs are read, and nothing of how it is reduced."""

    def activation(self, pred):
        return pred.softmax(1)

    def decodes(self, pred):
        return pred.argmin(1)


def own_loss(pred, target):
    return F.cross_entropy(pred, target)


LOSSES = {"module": nn.CrossEntropyLoss(), "own": OwnLoss(), "function": own_loss, "functional": F.cross_entropy}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_without_decodes_predicts(name):
    learn = toy_learner(loss_func=LOSSES[name])
    learn.fit(1)
    row = learn.dls.valid.items[0]
    label, number, outputs = learn.predict(row)
    logits, targets = learn.get_preds()
    assert torch.allclose(outputs, logits[0], atol=1e-5) and int(number) == int(outputs.argmax())
    assert label == learn.dls.vocab[int(number)]
    learn.show_results(max_n=2)
    losses = learn.get_preds(with_loss=True)[2]
    assert torch.allclose(
        losses.as_subclass(torch.Tensor), F.cross_entropy(logits, targets, reduction="none"), atol=1e-5
    )
    seen = ImageInterpretation.from_learner(learn)
    assert torch.equal(seen.decoded, logits.argmax(1)) and seen.top_losses(1)[0] == losses.max()
    assert learn.validate()[0] == pytest.approx(float(losses.mean()), rel=1e-4)


def test_what_a_loss_says_of_its_outputs_holds():
    learn = toy_learner(loss_func=Decoding())
    learn.fit(1)
    seen = ImageInterpretation.from_learner(learn)
    logits, targets = learn.get_preds(act=lambda outputs: outputs)
    assert torch.allclose(seen.preds, logits.softmax(1))
    assert torch.equal(learn.get_preds(with_decoded=True)[2], logits.argmin(1))
    assert torch.allclose(seen.losses, F.cross_entropy(logits, targets, reduction="none"), atol=1e-5)


def test_it_trains_as_fastais_own_cross_entropy_does():
    rows = []
    for loss in (None, nn.CrossEntropyLoss()):
        learn = toy_learner(loss_func=loss)
        learn.fit(1)
        rows.append(list(learn.recorder.values[-1]))
    assert rows[0] == rows[1]


def test_pairs_too():
    learn = fusion_learner(make_pair_dls(), "tiny_cnn", loss_func=nn.CrossEntropyLoss(), seed=1)
    label, number, _ = learn.predict(0)
    assert label == learn.dls.vocab[int(number)]


def test_one_that_decodes_is_taken_as_it_is():
    loss = CrossEntropyLossFlat()
    assert readable(loss) is loss
    wrapped = readable(nn.CrossEntropyLoss(label_smoothing=0.1))
    assert isinstance(wrapped, ClassLoss) and wrapped.label_smoothing == 0.1
    again = pickle.loads(pickle.dumps(wrapped))
    pred, target = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    assert torch.equal(again(pred, target), wrapped(pred, target))
