"""Several processes train as one: equal weights and figures, each sample once, decisions that all ranks take alike."""

import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

from learnerkit.all import (
    EMA,
    Callback,
    EarlyStop,
    LearnerkitError,
    MixUp,
    Run,
    SaveTopK,
    TrainingError,
    array_dls,
    folder_dls,
    image_learner,
)
from learnerkit.core import ranks
from learnerkit.learner.together import Together
from tests.images import image_folder
from tests.reliability.toy import build, digest, fit, run_fork
from tests.scenes import toy_detector, write_scenes
from tests.several import on_ranks, start


def samples(n=83):
    """Three classes that differ in brightness, and in number."""
    rng = np.random.default_rng(0)
    targets = np.sort(rng.choice(3, n, p=[0.5, 0.3, 0.2]))
    return (rng.integers(0, 120, (n, 8, 8, 3)) + 40 * targets[:, None, None, None]).astype(np.uint8), targets


def plain_model(size, n_out):
    """Without dropout and BatchNorm."""
    torch.manual_seed(7)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * (size - 2) ** 2, n_out))


def learner(bs=8, dls=None, drop_last=True, cbs=(), **kwargs):
    dls = dls or array_dls(*samples(), bs=bs)
    dls.train.drop_last = drop_last
    model = plain_model(dls.one_batch()[0].shape[-1], len(dls.vocab))
    learn = image_learner(dls, model, lr=0.02, cbs=list(cbs), **{"seed": 3, **kwargs})
    learn.logger = lambda row: None
    return learn


def course(learn):
    """What a fit left, in plain numbers."""
    learn.fit(2)
    weights = torch.cat([p.detach().flatten() for p in learn.eval_model().parameters()])
    figures = [*learn.monitored.values(), *learn.train_accuracy.epoch_columns().values()]
    return [*weights.tolist(), *learn.recorder.batch_losses, *map(float, figures)]


def streamed(root, workers):
    return learner(dls=folder_dls(root, size=12, bs=7, crop=0, flip=False, cache="stream", num_workers=workers))


KINDS = {
    "plain": lambda root: learner(),
    "a last batch of less than a sample a rank": lambda root: learner(bs=19, drop_last=False),
    "bs that does not divide": lambda root: learner(bs=7, drop_last=False),
    "class weights": lambda root: learner(class_weights="balanced"),
    "accumulated batches": lambda root: learner(bs=7, accumulate=3, drop_last=False),
    "accumulated samples": lambda root: learner(bs=7, accumulate=20, accumulate_unit="samples"),
    "EMA and clipped": lambda root: learner(cbs=[EMA(0.9)], clip=0.5),
    "Adam, weights drawn by class": lambda root: learner(
        dls=array_dls(*samples(), bs=8, sampler="balanced"), opt="adam"
    ),
    "streamed": lambda root: streamed(root, 0),
    "streamed by workers": lambda root: streamed(root, 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_ranks_train_as_one_process_with_the_same_batches(tmp_path, kind):
    root = image_folder(tmp_path / "images") if "streamed" in kind else None
    one = run_fork(lambda: course(KINDS[kind](root)))
    for world in (2, 3):
        found = on_ranks(tmp_path, world, lambda: course(KINDS[kind](root)))
        assert all(other == found[0] for other in found[1:])
        assert np.allclose(found[0], one, rtol=0, atol=1e-6), np.abs(np.subtract(found[0], one)).max()


def test_shares_that_all_weigh_the_same_would_be_seen(tmp_path):
    def unweighted():
        learn = learner(bs=7, drop_last=False)
        Together.weigh = lambda self, learn: None
        return course(learn)

    one = run_fork(lambda: course(learner(bs=7, drop_last=False)))
    weights = len(one) - 40
    found = on_ranks(tmp_path, 2, unweighted)[0]
    assert np.abs(np.subtract(found[:weights], one[:weights])).max() > 1e-4


def counts():
    """What each rank sees of its validations."""
    seen = []

    class Counter(Callback):
        def after_loss(self):
            if not self.training:
                seen.extend(zip(self.learn.yb[0].tolist(), self.learn.pred.argmax(-1).tolist(), strict=True))

    learn = learner(bs=5, cbs=[Counter()])
    learn.fit(1)
    right = sum(target == said for target, said in seen) / len(seen)
    return [
        len(seen),
        [target for target, _ in seen],
        right,
        learn.monitored["accuracy"],
        learn.monitored["valid_loss"],
    ]


def test_each_sample_of_a_validation_counts_once_on_every_rank(tmp_path):
    n, targets, right, accuracy, loss = run_fork(counts)
    assert n % 5 and n % 10 and n % 15  # the shares are uneven
    assert accuracy == pytest.approx(right)
    for world in (2, 3):
        for found in on_ranks(tmp_path, world, counts):
            assert found[:2] == [n, targets]
            assert found[2:] == pytest.approx([right, accuracy, loss], abs=1e-6)


def states():
    """Statistics of BatchNorm and an average of them, on each rank."""
    cbs = [EMA(0.9), MixUp(p=0.5)]
    learn = image_learner(array_dls(*samples(), bs=8), "tiny_cnn", model_args={"width": 4}, seed=3, cbs=cbs)
    learn.logger = lambda row: None
    learn.fit(2)
    held = [*learn.model.state_dict().values(), *learn.eval_model().state_dict().values()]
    return torch.cat([tensor.flatten().double() for tensor in held]).tolist()


def test_weights_buffers_and_averages_are_those_of_the_first_rank(tmp_path):
    first, second, third = on_ranks(tmp_path, 3, states)
    assert first == second == third


def bad_on_one(policy, world):
    """A sample that is not finite, in the share of one rank alone."""
    learn = learner(guard=policy)

    class Spoil(Callback):
        order = -50

        def before_batch(self):
            if self.training and self.learn.iter == 3 and self.learn.epoch == 0 and ranks.rank() == world - 1:
                images = self.learn.xb[0].clone()
                images[1] = float("nan")
                self.learn.xb = (images,)

    learn.add_cb(Spoil())
    try:
        learn.fit(1)
    except TrainingError as error:
        return str(error)
    weights = torch.cat([p.detach().flatten() for p in learn.model.parameters()])
    return [learn.guard.skipped, bool(weights.isfinite().all()), weights.sum().item()]


def test_what_is_not_finite_on_one_rank_stops_or_is_passed_over_on_all(tmp_path):
    alone = run_fork(bad_on_one, "stop", 1)
    assert "the input is not finite in training batch 4 of epoch 1" in alone and "The bad input(s): " in alone
    first, second = on_ranks(tmp_path, 2, bad_on_one, "stop", 2)
    assert first == second and "The bad input(s): " in first
    assert "the input is not finite in training batch 4 of epoch 1" in first
    first, second = on_ranks(tmp_path, 2, bad_on_one, "skip", 2)
    assert first == second and first[:2] == [1, True]


def decided(root):
    """Epochs, kept weights and files of a run that ends early."""
    cbs = [EarlyStop("accuracy", patience=0, min_delta=2.0), SaveTopK("accuracy", k=2)]
    learn = build(root, cbs=cbs)
    fit(learn)
    return [learn.epoch, learn.save_top_k.kept, hasattr(learn, "run_folder")]


def test_decisions_are_alike_and_the_first_rank_alone_writes(tmp_path):
    first, second = on_ranks(tmp_path, 2, decided, tmp_path / "runs")
    assert first[:2] == second[:2] and first[0] == 1
    assert (first[2], second[2]) == (True, False)
    assert [folder.name for folder in (tmp_path / "runs").iterdir()] == ["a"]
    assert len((tmp_path / "runs" / "a" / "history.jsonl").read_text().splitlines()) == 2


def whole(root, stop_at=None, resume=False):
    """A run to its end, or stopped by a signal that the last rank alone is sent."""

    class Ask(Callback):
        def after_batch(self):
            if self.training and self.learn.train_iter == stop_at and ranks.rank() == ranks.world() - 1:
                os.kill(os.getpid(), signal.SIGTERM)

    learn = fit(build(root, cbs=[Ask()], resume=resume))
    return digest(learn) if ranks.is_first() else None


def test_a_signal_to_one_rank_stops_all_at_one_step_and_the_run_goes_on_bit_for_bit(tmp_path):
    reference, _ = on_ranks(tmp_path, 2, whole, tmp_path / "reference")
    stopped = start(tmp_path, 2, whole, tmp_path / "runs", 6)
    assert [child.wait()[0] for child in stopped] == [143, 143]
    assert on_ranks(tmp_path, 2, whole, tmp_path / "runs", None, True)[0] == reference


def refused(make):
    try:
        make().fit(1)
    except LearnerkitError as error:
        return str(error)
    return None


def search():
    learner().lr_find(show_plot=False)


def foreign():
    learn = learner()
    pairs = [(image, target) for image, target in learn.dls.train_ds]
    learn.dls.loaders[0] = torch.utils.data.DataLoader(pairs, batch_size=8)
    return learn


def test_what_several_ranks_cannot_do_is_refused_before_there_is_a_run(tmp_path):
    write_scenes(tmp_path / "frames")
    for make, words in (
        (lambda: learner(bs=1, cbs=[Run(tmp_path / "runs")]), "bs 1 on 2 ranks"),
        (search, "lr_find: looks for a rate in one process"),
        (foreign, "DataLoader: its batches cannot be shared among 2 ranks"),
        (lambda: toy_detector(tmp_path / "frames"), "DetectionDL: its batches cannot be shared"),
    ):
        first, second = on_ranks(tmp_path, 2, refused, make)
        assert first == second and words in first
    assert not (tmp_path / "runs").exists()
