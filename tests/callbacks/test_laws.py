"""Laws that every callback obeys: a stated order, nothing left behind, no effect in validation, resumable."""

import importlib
import pkgutil

import pytest
import torch
from fastai.callback.core import Callback, CancelBatchException, CancelFitException
from torchvision.ops import StochasticDepth as DropBranch

import learnerkit
from learnerkit._fastai import OpenRecorder
from learnerkit.all import (
    EMA,
    TTA,
    Autocast,
    CutMix,
    EarlyStop,
    Fusion,
    Guard,
    MixUp,
    MLflowTracker,
    Run,
    SaveTopK,
    Schedule,
    StochasticDepth,
    image_learner,
)
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.callbacks.diagnose import Diagnose
from learnerkit.callbacks.kit import KitCallback, Watcher
from learnerkit.callbacks.mix import Mixer
from learnerkit.callbacks.orders import ORDERS
from learnerkit.callbacks.progress import Progress
from learnerkit.callbacks.run import RunKeeper
from learnerkit.callbacks.train_accuracy import TrainAccuracy
from learnerkit.callbacks.witness import Witness
from learnerkit.classify.epoch_figures import ClassFigures
from learnerkit.classify.signs import ClassSigns
from learnerkit.detect.interpret import SwitchOff
from learnerkit.detect.parts import LossParts
from learnerkit.detect.signs import BoxSigns
from learnerkit.learner.cast import CastBatch
from learnerkit.learner.recorder import LeanRecorder
from learnerkit.learner.schedule import LeanScheduler
from tests.conftest import assert_same_weights, make_toy_dls, state_of, toy_learner
from tests.pairs import make_pair_dls
from tests.scenes import toy_detector

MAKE = {
    Accumulate: lambda tmp: Accumulate(2),
    Autocast: lambda tmp: Autocast("bf16"),
    BoxSigns: lambda tmp: BoxSigns(),
    CastBatch: lambda tmp: CastBatch(),
    ClassFigures: lambda tmp: ClassFigures(3),
    ClassSigns: lambda tmp: ClassSigns(),
    CutMix: lambda tmp: CutMix(p=1.0),
    Diagnose: lambda tmp: Diagnose(),
    EMA: lambda tmp: EMA(0.9),
    EarlyStop: lambda tmp: EarlyStop("valid_loss", "min", 3),
    Fusion: lambda tmp: Fusion("gated"),
    Guard: lambda tmp: Guard("rollback"),
    LeanRecorder: lambda tmp: LeanRecorder(),
    LeanScheduler: lambda tmp: LeanScheduler({"lr": lambda position: 0.01}),
    LossParts: lambda tmp: LossParts(),
    MixUp: lambda tmp: MixUp(p=1.0),
    MLflowTracker: lambda tmp: MLflowTracker(str(tmp / "m.db")),
    Progress: lambda tmp: Progress(),
    Run: lambda tmp: Run(tmp, "a"),
    RunKeeper: lambda tmp: RunKeeper(tmp, "a"),
    SaveTopK: lambda tmp: SaveTopK("accuracy", "max", 1, folder=tmp / "k"),
    Schedule: lambda tmp: Schedule("cosine"),
    StochasticDepth: lambda tmp: StochasticDepth(0.5),
    SwitchOff: lambda tmp: SwitchOff([4], [0.0] * 5),
    TTA: lambda tmp: TTA(4),
    TrainAccuracy: lambda tmp: TrainAccuracy(),
    Witness: lambda tmp: Witness(10**6, lambda learn: None),
}
ABSTRACT = {KitCallback, Mixer, OpenRecorder, Watcher}  # what others are built on
OF_DETECTORS = {BoxSigns, LossParts, SwitchOff}
OF_ALL = {CastBatch, Diagnose, LeanRecorder}
BROUGHT_ALONG = OF_ALL | {BoxSigns, LossParts, ClassSigns, TrainAccuracy}  # detectors and classifiers have theirs
CHANGES_VALIDATION = {Autocast, EMA, SwitchOff, TTA}  # what they are for
BY_NAME = sorted(MAKE, key=lambda cls: cls.__name__)


def all_callbacks():
    """Every callback class of the package, wherever it stands."""
    found = set()
    for module in pkgutil.walk_packages(learnerkit.__path__, "learnerkit."):
        for item in vars(importlib.import_module(module.name)).values():
            if isinstance(item, type) and issubclass(item, Callback) and item.__module__ == module.name:
                found.add(item)
    return found - ABSTRACT


def test_the_table_of_orders_is_that_of_the_classes():
    assert {cls.__name__: cls.order for cls in all_callbacks()} == ORDERS


def test_the_laws_cover_every_callback():
    assert all_callbacks() == set(MAKE)


def learner(cls, tmp_path, *extra):
    own = [] if cls in BROUGHT_ALONG else [MAKE[cls](tmp_path)]
    if cls in OF_DETECTORS:
        return toy_detector(tmp_path / "scenes", [*own, *extra])
    if cls is MLflowTracker:  # which sends what a run keeps
        own = [RunKeeper(tmp_path / "runs"), *own]
    dls = make_pair_dls() if cls is Fusion else make_toy_dls()
    arch = "wrn_10_1" if cls is StochasticDepth else "tiny_cnn"
    learn = image_learner(dls, arch, cbs=[*own, *extra], seed=1)
    learn.logger = lambda row: None
    return learn


def test_what_learners_bring_along_is_there(tmp_path):
    for cls in BROUGHT_ALONG:
        assert any(isinstance(cb, cls) for cb in learner(cls, tmp_path).cbs), cls


class Thrower(Callback):
    """Raises one thing at one event of the second batch in training."""

    order = 90

    def __init__(self, event, error):
        self.event, self.error = event, error

    def _throw(self, event):
        if event == self.event and self.training and self.iter == 1:
            raise self.error

    def after_pred(self):
        self._throw("after_pred")

    def after_batch(self):
        self._throw("after_batch")


def swapped(learn):
    """Everything that a callback might swap and forget."""
    rates = tuple(module.p for module in learn.model.modules() if isinstance(module, DropBranch))
    return id(learn.loss_func), id(learn.model), rates, learn.logger, torch.is_autocast_enabled("cpu")


THROWN = [
    ("after_pred", CancelBatchException),
    ("after_pred", ValueError("x")),
    ("after_batch", CancelFitException),
    ("after_batch", KeyboardInterrupt()),
]


@pytest.mark.parametrize(("event", "error"), THROWN)
@pytest.mark.parametrize("cls", BY_NAME, ids=lambda cls: cls.__name__)
def test_what_is_swapped_is_restored(cls, error, event, tmp_path):
    learn = learner(cls, tmp_path, Thrower(event, error))
    learn.limit_batches = 3
    before = swapped(learn)
    try:
        learn.fit(1)
    except (ValueError, KeyboardInterrupt):
        assert not isinstance(error, type)
    else:
        assert isinstance(error, type)
    assert swapped(learn) == before
    learn.remove_cbs(Thrower)
    learn.limit_batches = 1
    learn.fit(1)  # and it can be fitted again
    assert swapped(learn) == before


@pytest.mark.parametrize(
    "cls", [cls for cls in BY_NAME if cls not in CHANGES_VALIDATION | OF_DETECTORS], ids=lambda cls: cls.__name__
)
def test_validation_is_untouched(cls, tmp_path):
    learn = learner(cls, tmp_path)
    plain = tiny_twin(learn)
    assert list(learn.validate()) == pytest.approx(list(plain.validate()), abs=1e-6)
    weights = state_of(learn)
    learn.get_preds()
    assert_same_weights(weights, state_of(learn))


def tiny_twin(learn):
    twin = image_learner(learn.dls, learn.model, seed=1)
    twin.logger = lambda row: None
    return twin


def test_stateful_callbacks_give_back_what_they_were_given(tmp_path):
    for cls in MAKE:
        if not hasattr(cls, "state_dict"):
            continue
        learn = learner(cls, tmp_path / cls.__name__)
        learn.limit_batches = 1
        learn.fit(1)
        if cls is Schedule or cls is Autocast:
            continue  # their state lives inside a fit: covered by the resume tests
        callback = next(cb for cb in learn.cbs if isinstance(cb, cls))
        state = callback.state_dict()
        callback.load_state_dict(state)
        assert str(callback.state_dict()) == str(state)


def test_the_tiny_learner_of_the_tests_learns():
    learn = toy_learner()
    learn.fit_one_cycle(6, 0.2)
    assert learn.validate()[1] > 0.9
