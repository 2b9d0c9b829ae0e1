"""Interpretation of a classifier whose answers are known: counts by hand, and equal to fastai's own."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from learnerkit._fastai import ClassificationInterpretation
from learnerkit.all import ImageInterpretation, array_dls, image_learner

TRUE = np.repeat([0, 1, 2], [20, 20, 20])
SAID = TRUE.copy()
SAID[[3, 7]], SAID[25] = 2, 0  # two of 'a' are taken for 'c', one of 'b' for 'a'


class Reader(nn.Module):
    """Reads the answer, and how sure it is, from two pixels of an image that was normalised."""

    def __init__(self, stats):
        super().__init__()
        (self.mean,), (self.std,) = stats
        self.scale = nn.Parameter(torch.tensor(4.0))

    def forward(self, images):
        images = images * self.std + self.mean
        said = (images[:, 0, 0, 0] * 255 / 100).round().long()
        return self.scale * images[:, 0, 0, 1, None] * nn.functional.one_hot(said, 3)


@pytest.fixture
def learn(tmp_path):
    images = np.zeros((60, 1, 6, 6), np.uint8)
    images[:, 0, 0, 0] = 100 * SAID
    images[:, 0, 0, 1] = np.arange(60) + 150  # the surer the later; equal images would be copies
    dls = array_dls(images, TRUE, bs=8, vocab=["a", "b", "c"], split=(0.5, 0.5, 0.0), stats="data")
    return image_learner(dls, Reader(dls.source.stats), path=tmp_path, channels_last=False)


def test_the_counts_are_those_of_the_answers(learn):
    seen = ImageInterpretation.from_learner(learn)
    rows = learn.dls.split.valid
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (TRUE[rows], SAID[rows]), 1)
    assert np.array_equal(seen.confusion_matrix(), expected)
    assert seen.decoded.tolist() == SAID[rows].tolist() and seen.targs.tolist() == TRUE[rows].tolist()
    wrong = sorted((a, b, n) for a, b, n in seen.most_confused())
    names = np.array(["a", "b", "c"])
    pairs = [(names[TRUE[row]], names[SAID[row]]) for row in rows if TRUE[row] != SAID[row]]
    assert wrong == sorted((*pair, pairs.count(pair)) for pair in set(pairs))


def test_the_greatest_losses_are_the_surest_mistakes(learn):
    seen = ImageInterpretation.from_learner(learn)
    rows = learn.dls.split.valid
    losses, places = seen.top_losses(3)[:2]
    mistakes = sorted((row for row in rows if TRUE[row] != SAID[row]), reverse=True)
    assert [int(rows[int(place)]) for place in places][: len(mistakes)] == [int(row) for row in mistakes]
    assert losses.tolist() == sorted(losses.tolist(), reverse=True)
    surest = 4 * (150 + mistakes[0]) / 255
    assert float(losses[0]) == pytest.approx(np.log(np.exp(surest) + 2), abs=1e-4)


def test_it_is_fastais_own_with_one_pass(learn, monkeypatch):
    ours, fastais = ImageInterpretation.from_learner(learn), ClassificationInterpretation.from_learner(learn)
    assert np.array_equal(ours.confusion_matrix(), fastais.confusion_matrix())
    assert torch.allclose(ours.losses, fastais.losses)
    monkeypatch.setattr(Reader, "forward", None)  # nothing below may run the model again
    inputs, probabilities, targets, decoded, losses = ours[[0, 2]]
    assert inputs.shape[0] == 2 and torch.equal(decoded, probabilities.argmax(1)) and len(targets) == len(losses) == 2
    ours.plot_confusion_matrix()
    assert [text.get_text() for text in plt.gca().get_xticklabels()] == ["a", "b", "c"]
    ours.plot_top_losses(4)


def test_any_part_and_any_loader(learn, capsys):
    train = ImageInterpretation.from_learner(learn, dl=learn.dls.test_dl([3, 25, 40], with_labels=True))
    assert train.decoded.tolist() == [2, 0, 2] and train.targs.tolist() == [0, 1, 2]
    train.print_classification_report()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:5]] == ["a", "b", "c"]
