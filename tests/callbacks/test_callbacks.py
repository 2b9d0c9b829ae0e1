"""What each callback does, by hand-worked numbers, properties and torch's own schedulers."""

from functools import partial

import pytest
import torch
from fastai.callback.core import Callback, CancelTrainException
from fastai.losses import BCEWithLogitsLossFlat
from torch import nn
from torch.optim import lr_scheduler
from torchvision.ops import StochasticDepth as DropBranch

from learnerkit._fastai import CrossEntropyLossFlat
from learnerkit.all import (
    EMA,
    TTA,
    Autocast,
    CutMix,
    EarlyStop,
    MixUp,
    SaveTopK,
    Schedule,
    StochasticDepth,
    digits_dls,
    image_learner,
)
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.callbacks.run import RunKeeper as Run  # without the page at each end
from learnerkit.core.errors import DataError, ModelError, RecipeError, TrainingError
from learnerkit.core.files import read_json, read_ledger
from learnerkit.core.tensors import load_weights
from learnerkit.ops.unsure import until_of
from learnerkit.ops.views import View
from tests.conftest import assert_same_weights, make_toy_dls, state_of, toy_learner


class Grab(Callback):
    """Keeps what a training batch looks like after mixing."""

    order = 7

    def __init__(self):
        self.rows = []

    def before_batch(self):
        if self.training:
            self.rows.append(tuple(part.clone() for part in self.learn.xb))

    def after_loss(self):
        if self.training:
            self.rows[-1] = (self.rows[-1], self.learn.pred.detach(), self.learn.yb, self.learn.loss_grad.detach())


@pytest.mark.parametrize("mix", [CutMix, MixUp])
def test_mixed_loss_by_hand(mix):
    grab, callback = Grab(), mix(p=1.0, alpha=1.0)
    learn = toy_learner([callback, grab], limit_batches=1)
    learn.fit(1)
    _, pred, (targets,), loss = grab.rows[0]
    other = callback.other_targets[0]
    expected = callback.lam * nn.functional.cross_entropy(pred, targets) + (
        1 - callback.lam
    ) * nn.functional.cross_entropy(pred, other)
    assert 0 < callback.lam < 1
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mix", [CutMix, MixUp])
def test_a_bare_number_is_refused_for_fastai_means_alpha_by_it(mix):
    with pytest.raises(RecipeError, match=rf"{mix.__name__}\(p=0\.7\).*{mix.__name__}\(alpha=0\.7\)"):
        mix(0.7)


def test_cutmix_pixels_come_from_the_two_images_in_the_stated_parts():
    callback = CutMix(p=1.0)
    inputs, others = [torch.zeros(4, 3, 16, 16), torch.zeros(4, 1, 16, 16)], [torch.ones(4, 3, 16, 16)]
    others.append(torch.ones(4, 1, 16, 16))
    mixed, lam = callback.mix(inputs, others, 0.6)
    for part in mixed:  # several inputs are cut at the same place
        assert (part == 0).float().mean().item() == pytest.approx(lam)
    assert torch.equal(mixed[0][:, :1], mixed[1])


def test_mix_takes_soft_targets_and_any_loss_and_p_zero_does_nothing():
    def soft_loss(pred, target):
        return nn.functional.cross_entropy(pred, nn.functional.one_hot(target, 3).float() * 0.9 + 0.1 / 3)

    learn = toy_learner([CutMix(p=1.0)], loss_func=soft_loss, metrics=[])
    learn.fit(1)
    plain, never = toy_learner(), toy_learner([CutMix(p=0.0)])
    plain.fit(1)
    never.fit(1)
    assert never.cut_mix.lam == 1.0
    with pytest.raises(RecipeError, match=r"CutMix\(p=1\.5\).*less than or equal to 1"):
        CutMix(p=1.5)


def rates(model):
    return [module.p for module in model.modules() if type(module) is DropBranch]


def test_stochastic_depth_sets_linear_rates_and_restores():
    seen = []
    watch = Callback(
        before_batch=lambda self: seen.append([m.p for m in self.model.modules() if type(m) is DropBranch])
    )
    learn = image_learner(make_toy_dls(), "hybrid_resnet", cbs=[StochasticDepth(0.4), watch], limit_batches=1, seed=1)
    learn.logger = lambda row: None
    own = rates(learn.model)
    learn.fit(1)
    assert seen[0] == pytest.approx([0.05 * i for i in range(1, 9)])
    assert rates(learn.model) == own
    with pytest.raises(ModelError, match="no residual block that can be dropped"):
        toy_learner(StochasticDepth(0.2)).fit(1)


def test_ema_by_hand():
    learn = toy_learner(EMA(0.9))
    weights = []
    learn.add_cb(Callback(after_step=lambda self: weights.append(self.model[0][0].weight.detach().clone())))
    start = learn.model[0][0].weight.detach().clone()
    learn.fit(1)
    expected = start
    for n, weight in enumerate(weights, 1):
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * weight
    torch.testing.assert_close(learn.ema.averaged.module[0][0].weight, expected, rtol=1e-5, atol=1e-6)
    averaged = list(learn.validate())
    plain = image_learner(learn.dls, learn.model, seed=1)
    plain.logger = lambda row: None
    assert averaged != pytest.approx(list(plain.validate()))
    learn.model.load_state_dict(learn.eval_model().state_dict())
    assert averaged == pytest.approx(list(plain.validate()), abs=1e-6)


class Symmetric(nn.Module):
    """Depends on the sum over the image alone, so no view changes it."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        return self.fc(x.mean((2, 3)))


def test_tta_of_a_symmetric_net_is_the_plain_prediction():
    learn = image_learner(make_toy_dls(), Symmetric(), seed=1)
    learn.logger = lambda row: None
    plain = learn.get_preds()[0]
    views_mean = learn.get_preds(cbs=TTA(views=[View(), lambda x: x.flip(-1), lambda x: x.flip(-2)]))[0]
    torch.testing.assert_close(views_mean, plain, rtol=1e-5, atol=1e-6)


def test_tta_averages_probabilities_of_each_view_and_counts_each_alone():
    learn = toy_learner()
    learn.fit(1)
    tta = TTA(3, per_view=True)
    averaged, targets = learn.get_preds(cbs=tta)
    views = []
    for view in tta.active:
        x = torch.cat([view(x) for x, _ in learn.dls.valid])
        with torch.no_grad():
            views.append(learn.model.eval()(x).softmax(-1))
    views = [probabilities.cpu() for probabilities in views]
    torch.testing.assert_close(averaged, torch.stack(views).mean(0), rtol=1e-4, atol=1e-5)
    for view, probabilities in zip(tta.active, views, strict=True):
        right = (probabilities.argmax(1) == targets).float().mean().item()
        assert tta.view_accuracy[str(view)] == pytest.approx(right)
    loss = learn.validate(cbs=TTA(3))[0]
    assert loss == pytest.approx(nn.functional.nll_loss(averaged.log(), targets).item(), abs=1e-5)


def test_selective_tta_takes_views_of_the_unsure_alone_and_counts_them():
    learn = toy_learner()
    learn.fit(1)
    plain, averaged = (learn.get_preds(cbs=cbs)[0] for cbs in (None, TTA(5)))
    until = float(plain.max(1).values.median())
    sure = plain.max(1).values >= until
    tta = TTA(5, until=until)
    seen, targets = learn.get_preds(cbs=tta)
    torch.testing.assert_close(seen[sure], plain[sure], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen[~sure], averaged[~sure], rtol=1e-4, atol=1e-5)
    assert tta.forwards == len(plain) + 4 * int((~sure).sum())
    assert learn.validate(cbs=tta)[0] == pytest.approx(nn.functional.nll_loss(seen.log(), targets).item(), abs=1e-5)
    every = TTA(5)
    torch.testing.assert_close(learn.get_preds(cbs=TTA(5, until=1.0))[0], averaged, rtol=1e-4, atol=1e-5)
    learn.get_preds(cbs=every)
    assert every.forwards == 5 * len(plain)


def test_selective_tta_is_fitted_on_the_valid_part_anew_each_epoch():
    learn = toy_learner()
    tta = TTA(5, until="auto")
    learn.fit(1)
    plain, averaged = (learn.get_preds(cbs=cbs)[0] for cbs in (None, TTA(5)))
    _, targets = learn.get_preds(cbs=tta)
    assert tta.threshold == pytest.approx(until_of(plain, averaged, targets), abs=1e-5)
    assert tta.forwards == len(plain) + 4 * int((plain.max(1).values < tta.threshold - 1e-6).sum())
    tta.threshold = 0.25  # as of other data that are measured next
    learn.get_preds(dl=learn.dls.train, cbs=tta)
    assert tta.threshold == 0.25
    found, fitted = [], tta._fitted
    tta._fitted = lambda: found.append(fitted()) or found[-1]
    learn.fit(2, cbs=tta)
    assert len(found) == 2 and tta.threshold == found[-1] != 0.25
    learn.validate(cbs=tta)
    assert len(found) == 2
    learn.loss_func = BCEWithLogitsLossFlat()
    with pytest.raises(RecipeError, match=r"until=auto.*one class a sample"):
        learn.get_preds(cbs=tta)
    with pytest.raises(RecipeError, match="per_view"):
        TTA(3, per_view=True, until=0.9)


def test_tta_keeps_to_the_activation_of_the_loss():
    """The plain view alone changes nothing, whether the loss is of a softmax or of a sigmoid; others are refused."""

    class OfSigmoid(CrossEntropyLossFlat):
        def activation(self, outputs):
            return outputs.sigmoid()

    class OfTanh(CrossEntropyLossFlat):
        def activation(self, outputs):
            return outputs.tanh()

    for loss in (CrossEntropyLossFlat(), OfSigmoid(), nn.CrossEntropyLoss()):
        learn = toy_learner(loss_func=loss)
        act = None if hasattr(loss, "activation") else partial(torch.softmax, dim=-1)
        plain, averaged = (learn.get_preds(cbs=cbs, act=act)[0] for cbs in (None, TTA(views=[View()])))
        torch.testing.assert_close(averaged, plain, rtol=1e-4, atol=1e-5)
    with pytest.raises(DataError, match="neither a softmax nor a sigmoid"):
        toy_learner(loss_func=OfTanh()).get_preds(cbs=TTA(2))


def test_tta_refuses_a_mirror_where_it_changes_the_class():
    dls = digits_dls(bs=64, limit=64, size=16)
    learn = image_learner(dls, "tiny_cnn", seed=1)
    learn.get_preds(cbs=TTA(9))
    assert not any(view.mirror for view in TTA(9).views or [])
    for bad in (TTA(4, mirror=True), TTA(views=[View(mirror=True)])):
        with pytest.raises(DataError, match="mirror turns an image of digits into another class"):
            learn.get_preds(cbs=bad)


REFERENCES = {
    "cosine": lambda opt, steps: lr_scheduler.CosineAnnealingLR(opt, 3 * steps),
    "step": lambda opt, steps: lr_scheduler.LambdaLR(opt, lambda n: 0.1 ** (n // steps)),
    "multistep": lambda opt, steps: lr_scheduler.MultiStepLR(opt, [1 * steps, 2 * steps], 0.1),
    "exponential": lambda opt, steps: lr_scheduler.LambdaLR(opt, lambda n: 0.95 ** (n // steps)),
    "constant": lambda opt, steps: lr_scheduler.LambdaLR(opt, lambda n: 1.0),
    "torch_one_cycle": lambda opt, steps: lr_scheduler.OneCycleLR(
        opt, 0.2, total_steps=3 * steps, pct_start=0.25, div_factor=25, final_div_factor=4e3, cycle_momentum=False
    ),
}


@pytest.mark.parametrize("kind", list(REFERENCES))
def test_schedules_equal_torchs_at_every_step(kind):
    learn = toy_learner()
    learn.fit(3, 0.2, cbs=Schedule(kind))
    steps = len(learn.dls.train)
    opt = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.2)
    reference, expected = REFERENCES[kind](opt, steps), []
    for _ in range(3 * steps):
        expected.append(opt.param_groups[0]["lr"])
        opt.step()
        if len(expected) < 3 * steps:
            reference.step()
    assert learn.recorder.lrs == pytest.approx(expected, rel=1e-6)


def test_plateau_and_wrong_kinds():
    learn = toy_learner()
    learn.fit(4, 0.1, cbs=Schedule("plateau", monitor="accuracy", patience=0, factor=0.5, threshold=1e9))
    assert learn.recorder.lrs[-1] < 0.1
    with pytest.raises(RecipeError, match="did you mean cosine"):
        Schedule("cosin")
    with pytest.raises(RecipeError, match=r"monitor 'acuracy'.*did you mean accuracy"):
        toy_learner().fit(1, cbs=Schedule("plateau", monitor="acuracy"))


def feed(values, callback):
    """Run a tracker over given figures; returns the epochs it let happen."""
    learn = toy_learner([callback], limit_batches=1)
    put = Callback(after_epoch=lambda self: self.recorder.values[-1].__setitem__(1, values[self.epoch]))
    put.order = 51  # after the recorder, before the trackers
    learn.add_cb(put)
    learn.fit(len(values))
    return len(learn.recorder.values)


def test_early_stop_by_hand():
    falls = [1.0, 0.9, 0.95, 0.94, 0.93, 0.92]
    assert feed(falls, EarlyStop("valid_loss", "min", patience=2)) == 5
    assert feed(falls, EarlyStop("valid_loss", "min", patience=2, warmup_epochs=3)) == 6
    assert feed(falls, EarlyStop("valid_loss", patience=2)) == 5  # the direction follows from the name
    assert feed([1.0, 0.99, 0.98, 0.97], EarlyStop("valid_loss", "min", patience=1, min_delta=0.1)) == 3
    assert feed([float("nan")] * 4, EarlyStop("valid_loss", "min", patience=1)) == 2
    for mode in ("less", "max"):
        with pytest.raises(RecipeError, match=f"mode.*{mode}"):
            EarlyStop("valid_loss", mode)


def test_save_top_k_keeps_the_k_best_by_the_stated_direction(tmp_path):
    feed([3.0, 1.0, float("nan"), 2.0, 0.5], SaveTopK("valid_loss", "min", k=2, folder=tmp_path))
    kept = read_json(tmp_path / "topk.json")["kept"]
    assert [entry["epoch"] for entry in kept] == [5, 2]
    assert sorted(p.name for p in tmp_path.glob("*.safetensors")) == ["epoch_002.safetensors", "epoch_005.safetensors"]


def test_accumulation_equals_one_big_batch():
    def gradients(cbs, bs):
        dls = make_toy_dls(bs=bs)
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))
        nn.init.zeros_(model[1].weight)
        nn.init.zeros_(model[1].bias)
        learn = image_learner(dls, model, cbs=cbs, seed=1, wd=0, lr=0.1)
        learn.logger = lambda row: None
        learn.fit(1)
        return learn.model[1].weight.detach()

    whole = gradients([], 64)
    torch.testing.assert_close(gradients([Accumulate(4)], 16), whole, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(gradients([Accumulate(64, "samples")], 16), whole, rtol=1e-4, atol=1e-6)


def test_precision():
    kinds = []
    learn = toy_learner([Autocast("bf16")])
    learn.add_cb(Callback(after_pred=lambda self: kinds.append(self.pred.dtype)))
    inner = []
    learn.model[0][0].register_forward_hook(lambda module, args, out: inner.append(out.dtype))
    learn.fit(1)
    assert set(inner) == {torch.bfloat16} and learn.model[0][0].weight.dtype == torch.float32
    with pytest.raises(TrainingError, match="far slower than fp32"):
        toy_learner(dls=make_toy_dls(device="cpu"), precision="fp16").fit(1)
    with pytest.raises(RecipeError, match="did you mean fp16"):
        toy_learner(precision="fp61")


def test_run_writes_its_files_and_never_truncates(tmp_path):
    learn = toy_learner([Run(tmp_path, "a", checkpoint_every=1)])
    learn.fit_one_cycle(2, 0.1)
    learn.lr_find(num_it=6, show_plot=False)
    learn.validate()
    learn.fit(1, 0.01)
    folder = tmp_path / "a"
    rows = read_ledger(folder / "history.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    steps = len(learn.dls.train)
    assert [row["step"] for row in rows] == [steps, 2 * steps, 3 * steps]
    assert len((folder / "metrics.csv").read_text().splitlines()) == 4
    assert len((folder / "batch_metrics.csv").read_text().splitlines()) == 1 + 3 * steps
    assert read_json(folder / "status.json")["state"] == "done"
    assert_same_weights(load_weights(folder / "final_model.safetensors"), state_of(learn))
    described = read_json(folder / "run.json")
    assert described["split"]["train"] == 68 and described["classes"] == ["top", "middle", "bottom"]
    names = {p.name for p in folder.iterdir()}
    assert {"lock.json", "training.log", "model.json", "class_names.json", "checkpoints", "results.json"} <= names


def test_a_loss_that_is_not_finite_stops_the_run_with_one_clear_error(tmp_path):
    learn = toy_learner([Run(tmp_path, "a")], lr=1e30)
    with pytest.raises(TrainingError, match=r"loss.* is not finite in training batch 2 of epoch 1. The batch: \d+"):
        learn.fit(5, 1e30)
    status = read_json(tmp_path / "a" / "status.json")
    assert status["state"] == "failed" and "TrainingError" in status["error"]
    assert "Traceback" in (tmp_path / "a" / "training.log").read_text()


def test_cutmix_and_mixup_take_turns():
    both = []
    learn = toy_learner([CutMix(p=0.5), MixUp(p=1.0)])
    learn.add_cb(Callback(after_pred=lambda self: both.append((learn.cut_mix.lam, learn.mix_up.lam))))
    learn.cbs[-1].run_valid = False
    learn.fit(8)
    assert all(cut == 1.0 or mix == 1.0 for cut, mix in both)
    assert {cut != 1.0 for cut, _ in both} == {True, False}


def test_accumulated_gradients_of_a_cancelled_epoch_are_dropped():
    seen = []

    class Cancel(Callback):
        order = 90

        def before_backward(self):
            if self.epoch == 1 and self.iter == 0:
                seen.extend(p.grad for p in self.model.parameters())

        def after_batch(self):
            if self.training and self.epoch == 0:
                raise CancelTrainException

    toy_learner([Accumulate(2), Cancel()]).fit(2)
    assert seen and all(grad is None for grad in seen)


def test_fp16_runs_can_be_evaluated_on_a_cpu():
    plain, half = (toy_learner(dls=make_toy_dls(device="cpu"), precision=kind) for kind in ("fp32", "fp16"))
    assert half.validate()[0] == pytest.approx(plain.validate()[0], abs=1e-6)
