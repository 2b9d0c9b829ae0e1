"""Every numeric or choice argument of the public functions, against their signatures: none is forgotten.

A value out of range is refused by its name; one in range changes what it says it changes, and is recorded.
"""

import inspect
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from fastai.callback.training import GradientClip

import learnerkit.all as public
from learnerkit.all import (
    Accumulate,
    Autocast,
    Run,
    array_dls,
    cifar_dls,
    create_model,
    detection_dls,
    detection_learner,
    digits_dls,
    folder_dls,
    fusion_learner,
    image_learner,
    saliency_dls,
)
from learnerkit.callbacks.settings import callback_settings
from learnerkit.core.errors import RecipeError
from learnerkit.core.files import read_json
from learnerkit.core.ranges import is_ranged
from tests.conftest import make_toy_dls, toy_arrays
from tests.images import image_folder, write_cifar10
from tests.pairs import make_pair_dls, write_pairs
from tests.scenes import TOY_BACKBONE, write_scenes

OTHER = object()  # anything but what the default gives


class Row(NamedTuple):
    """One argument: values out of range, one in range, what it changes, and to what."""

    bad: tuple
    good: Any = None
    see: Callable[[Any], Any] | None = None  # None where a test named beside the row sees it
    gives: Any = OTHER


def batch(dls):
    """The first batch of the training part, unshuffled and seeded, as numbers to compare."""
    torch.manual_seed(3)
    random.seed(5)
    loader = dls.train.new(shuffle=False)
    parts = [part.cpu().double() for part in loader.one_batch() if part.is_floating_point()]
    return [round(float((part * torch.arange(part.shape[-1])).sum()), 3) for part in parts]  # a mirror is another


def n_train(dls):
    return len(dls.split.train)


def train_rows(dls):
    return dls.split.train.tolist()


def callback(kind, name):
    """The attribute of a callback that a learner has, None without it."""
    return lambda learn: next((getattr(cb, name) for cb in learn.cbs if isinstance(cb, kind)), None)


def hyper(name):
    def see(learn):
        learn.create_opt()
        return learn.opt.hypers[-1][name]

    return see


def trained_batches(learn):
    learn.fit(1)
    return len(learn.recorder.batch_losses)


def first_weight(learn):
    return float(next(learn.model.parameters()).double().sum())


IMAGES = {
    "bs": Row((0, -1, 2.5, True), 8, lambda dls: dls.train.bs, 8),
    "split_seed": Row((-1, 2**32), 7, train_rows),
    "stats": Row(("best",), "data"),  # the default of arrays; tests/classify/test_dls.py
    "size": Row((7, (16, 7)), (24, 20), lambda dls: tuple(dls.one_batch()[0].shape[2:]), (24, 20)),
    "crop": Row((-1, 1.5), 3, batch),
    "min_scale": Row((0, 1.5), 0.35, batch),
    "flip": Row(("yes", 1), True, batch),
    "rotate": Row((-1, 181), 20, batch),
    "jitter": Row(("much", (1, 2)), True, batch),
    "perspective": Row((1.5, -0.1), 1.0, batch),
    "randaugment": Row(((2, 31), (0, 5), 2), (2, 9), batch),
    "erase": Row((1.5,), 1.0, batch),
    "cutout": Row((-1,), 4, batch),
    "sampler": Row(("even",), "balanced", lambda dls: len(set(dls.train.get_idxs())) < len(dls.split.train), True),
    "limit": Row((0, -3), 32, n_train, 32),
    "num_workers": Row((-1,), 1),  # of sets that stream: tests/reliability
}
TRAINING = {
    "lr": Row((0, -0.1, float("nan")), 0.25, lambda learn: learn.lr, 0.25),
    "wd": Row((-1,), 0.125, lambda learn: learn.wd, 0.125),
    "momentum": Row((1, -0.1), 0.5, hyper("mom"), 0.5),
    "seed": Row((-1, 0.5, 2**63), 3, first_weight),
    "precision": Row(("fp8",), "bf16", callback(Autocast, "kind"), "bf16"),
    "clip": Row((-1,), 0.5, callback(GradientClip, "max_norm"), 0.5),
    "accumulate": Row((0, 2.5), 2, callback(Accumulate, "n"), 2),
    "accumulate_unit": Row(("epochs",), "samples"),  # tests/callbacks/test_callbacks.py
    "channels_last": Row((1,), False, lambda learn: next(learn.model.parameters()).stride()),
    "compile": Row(("yes",), True),  # waits for a compiler: tests/learner/test_kit.py
    "guard": Row(("hope",), "skip", lambda learn: learn.guard.policy, "skip"),
    "diagnose": Row((2, "no"), False, lambda learn: hasattr(learn, "diagnose"), False),
    "limit_batches": Row((0, -1), 1, trained_batches, 1),
    "train_bn": Row(("no",), False, lambda learn: learn.train_bn, False),
    "wd_bn_bias": Row(("no",), True, lambda learn: learn.wd_bn_bias, True),
}
PAIRS = {
    **{name: IMAGES[name] for name in ("bs", "split_seed", "crop", "limit")},
    "stats": Row(("fixed",), "data", batch),
    "flip": Row(("yes",), True),  # refused for relations: tests/fuse/test_learner.py
    "noise": Row((-0.1,), 0.5, batch),
    "map_dropout": Row((1.5,), 1.0, batch),
    "layer": Row(("deep",), "early", lambda dls: len(dls.source)),
    "size": Row((0, (4, 0)), 8, lambda dls: tuple(dls.one_batch()[0].shape[2:]), (8, 8)),
    "order": Row(("wch",), "chw"),  # tests/foreign/test_pairs.py
    "bad": Row(("clip",), "skip"),
    "num_workers": Row((-1,), 1),
}
FRAMES = {
    "bs": Row((0,), 3, lambda dls: dls.train.bs, 3),
    "split_seed": Row((-1,), 7),  # of sets that name no parts: tests/detect/test_dls.py
    "stats": Row(("best",), "data", lambda dls: dls.source.stats),
    "size": Row((16, (64, 64)), 32, lambda dls: max(dls.one_batch()[1].max().item(), 0), 32),
    "flip": Row(("yes",), False, batch),
    "iou_crop": Row((2,), 1.0, batch),
    "scale_jitter": Row((1,), 0.5, batch),
    "colour": Row((-1,), 1.0, batch),
    "modality_dropout": Row((1.5,), 1.0, batch),
    "limit": Row((0,), 2, n_train, 2),
    "num_workers": Row((-1,), 1, lambda dls: dls.train.num_workers, 1),
    "bad": Row(("keep",), "skip"),
    "unlabelled": Row(("guess",), "background"),
    "polygons": Row(("yes",), True),
}
CALLBACKS = {  # name: the arguments without which it cannot be made, and its rows
    "EMA": ((), {"decay": Row((0, 1), 0.5)}),
    "TTA": (
        (),
        {
            "n": Row((0, 2.5), 4),
            "mirror": Row((1,), True),
            "per_view": Row((1,), True),
            "until": Row((0, 1.5, "all"), 0.9),
        },
    ),
    "Accumulate": ((2,), {"n": Row((0, 2.5), 4), "unit": Row(("epochs",), "samples")}),
    "Autocast": ((), {"kind": Row(("fp8",), "fp16")}),
    "CutMix": ((), {"p": Row((1.5, -1), 0.5), "alpha": Row((0, -1), 2.0)}),
    "MixUp": ((), {"p": Row((1.5, -1), 0.5), "alpha": Row((0, -1), 2.0)}),
    "EarlyStop": (
        (),
        {
            "mode": Row(("less",), "min"),
            "patience": Row((-1, 1.5), 2),
            "min_delta": Row((-1,), 0.5),
            "warmup_epochs": Row((-1,), 3),
        },
    ),
    "SaveTopK": (
        (),
        {"mode": Row(("less",), "min"), "k": Row((0,), 2), "every": Row((0,), 2), "optimizer": Row(("yes",), True)},
    ),
    "Schedule": (("plateau",), {"mode": Row(("less",), "min")}),
    "Fusion": ((), {"mode": Row(("mean",), "add"), "weights": Row(((1,),), (0.5, 0.5)), "channels": Row((0,), 2)}),
    "Guard": (
        (),
        {"policy": Row(("hope",), "skip"), "rollbacks": Row((-1,), 1), "late": Row(("yes",), True)},
    ),
    "StochasticDepth": ((), {"p": Row((1, -0.1), 0.5)}),
}
RUN = {
    "report": Row(("yes",), False),
    "mode": Row(("less",), "max"),
    "checkpoint_every": Row((-1,), 3),
    "keep_last": Row((-1,), 3),
    "keep_every": Row((-1,), 3),
    "keep_checkpoints": Row((1,), False),
    "resume": Row((1,), False),
}
FUNCTIONS = {
    "array_dls": {**IMAGES, "bad": Row(("clip",), "skip")},
    "cifar_dls": {**IMAGES, "label": Row(("medium",), "coarse"), "bad": Row(("clip",), "skip")},
    "digits_dls": IMAGES,
    "folder_dls": {  # tests/classify/test_photographs.py
        **IMAGES,
        "resize": Row(("stretch",), "pad"),
        "cache": Row(("ram",), "disk"),
        "bad": Row(("clip",), "skip"),
    },
    "saliency_dls": PAIRS,
    "detection_dls": FRAMES,
    "image_learner": {
        **TRAINING,
        "label_smoothing": Row((1, -0.1), 0.1, lambda learn: learn.validate()[0]),
        "class_weights": Row(("even",), "balanced", lambda learn: learn.loss_func.func.weight is not None, True),
    },
    "fusion_learner": {
        **TRAINING,
        "label_smoothing": Row((1,), 0.1),
        "class_weights": Row(("even",), "balanced", lambda learn: learn.loss_func.func.weight is not None, True),
        "fusion": Row(("mean",), "add", lambda learn: learn.model.fusion, "add"),
        "fusion_weights": Row(((1,), (1, float("nan"))), (0.25, 0.75), lambda learn: learn.model.weights, (0.25, 0.75)),
        "dropout": Row((1,), 0.1),
    },
    "detection_learner": {
        **TRAINING,
        "anchors": Row(((8,), (0, 1, 2, 3, 4)), (4.0, 8.0, 16.0, 32.0, 64.0)),
        "box_batch_size_per_image": Row((0,), 16),
    },
    "CifarBlock": {"shape": Row(((3, 0, 32), (3, 32)), (1, 8, 8))},
    "BoxBlock": {"size": Row((16,), 64)},
    "MultispectralBlock": {"size": Row((16,), 64)},
    "SaliencyBlock": {"which": Row(("third",), "attention")},
    "combine_modalities": {"bad": Row(("clip",), "skip"), "align": Row((1,), True)},
    "make_digit_scenes": {"side": Row((8,), 64), "seed": Row((-1,), 7)},
    "create_model": {"n_in": Row((0,), 4), "n_out": Row((0,), 7)},
    "model_info": {"size": Row((0,), 16)},
    "profile_model": {  # tests/models/test_profile.py
        "size": Row((0, (), (32, 0)), (16, 32)),
        "bs": Row((0, 1.5), 2),
        "mode": Row(("test",), "training"),
        "precision": Row(("fp8",), "bf16"),
        "compile": Row((1,), False),
        "channels_last": Row((1,), False),
        "repeats": Row((0,), 1),
        "warmup": Row((-1,), 0),
        "threads": Row((0,), 1),
        "n_in": Row((0,), 1),
        "n_out": Row((0,), 7),
    },
    "integrated_gradients": {"n_steps": Row((0, 2.5), 4), "bs": Row((0,), 2)},  # these: tests/explain/test_paths.py
    "smoothgrad": {
        "noise": Row((-0.1, float("inf")), 0.3),
        "n_samples": Row((0,), 2),
        "bs": Row((0,), 2),
        "seed": Row((-1,), 7),
    },
    "overlay": {"alpha": Row((-0.1, 1.5), 0.2), "greatest": Row((0, -1), 2.0)},
    "explanation_consistency": {  # these three: tests/explain
        "bs": Row((0, 1.5), 2),
        "share": Row((0, 1, 1.5), 0.1),
        "level": Row((0, 95), 0.9),
    },
    "randomisation_control": {
        "depths": Row((0,), 2),
        "seed": Row((-1, 2**32), 7),
        "bs": Row((0,), 2),
        "share": Row((0, 1), 0.1),
        "level": Row((0, 95), 0.9),
    },
    "faithfulness": {
        "steps": Row((0, 2.5), 4),
        "n_random": Row((0,), 1),
        "ground": Row(("black",), "zero"),
        "bs": Row((0,), 2),
        "seed": Row((-1,), 7),
        "level": Row((0, 95), 0.9),
    },
    "MacroF1": {"n_out": Row((0,), 3)},
    "make_saliency_pairs": {"layer": Row(("deep",), "all"), "channels": Row((0,), 1), "bs": Row((0,), 8)},
    "ensemble_runs": {"codes": Row((1,), True), "until": Row((0, 1.5, "all"), 0.9)},
    "evaluate_run": {"weights": Row(("last",), "final")},
    "export_model": {"weights": Row(("last",), "final"), "size": Row((7, (8, 0)), 16)},  # tests/runs/test_onnx.py
    "find_suspects": {
        "folds": Row((1.5,), 2),
        "epochs": Row((0,), 1),
        "seed": Row((-1,), 1),
    },  # tests/classify/test_suspects.py
    "predict_run": {  # tests/runs/test_predict.py
        "tta": Row((-1,), 2),
        "until": Row((0, 1.5, "all"), 0.9),
        "coverage": Row((0.0, 1.0), 0.9),
        "codes": Row((1,), True),
        "weights": Row(("last",), "final"),
        "bad": Row(("clip",), "skip"),
        "drawn": Row((-1,), 3),
    },
    "run_sweep": {
        "jobs": Row((0,), 2),
        "threads": Row((0,), 1),
        "engine": Row(("pbs",), "slurm"),  # tests/runs/test_engines.py, for what is of jobs
        "gpus": Row((-1,), 1),
        "cpus": Row((0,), 2),
    },
}
FOR_THE_OTHER_LIBRARYS_SAKE = {"ResidentDL": {"num_workers"}, "CutMix": {"bare"}, "MixUp": {"bare"}}
TABLE = {**FUNCTIONS, **{name: rows for name, (_, rows) in CALLBACKS.items()}, "Run": RUN}


def ranged(item):
    """The arguments of a function or class whose annotations say their values."""
    function = item.__init__ if inspect.isclass(item) else item
    return {name for name, p in inspect.signature(function).parameters.items() if is_ranged(p.annotation)}


def test_no_argument_is_forgotten():
    found = {}
    for name in public.__all__:
        item = getattr(public, name)
        if callable(item) and item.__module__.startswith("learnerkit") and not issubclass_of_errors(item):
            rest = ranged(item) - FOR_THE_OTHER_LIBRARYS_SAKE.get(name, set())
            found |= {name: rest} if rest else {}
    assert found == {name: set(rows) for name, rows in TABLE.items()}


def issubclass_of_errors(item):
    return inspect.isclass(item) and issubclass(item, (Exception, public.Task))


@pytest.mark.parametrize(("name", "argument"), [(name, argument) for name, rows in TABLE.items() for argument in rows])
def test_a_value_out_of_range_is_refused_by_name(name, argument):
    function, first = getattr(public, name), CALLBACKS.get(name, ((),))[0]
    needed = [
        parameter.name
        for parameter in inspect.signature(
            function.__init__ if inspect.isclass(function) else function
        ).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and parameter.name not in ("self", argument)
    ]
    given = dict(zip(needed, [*first, *[None] * len(needed)], strict=False))  # refused before anything is looked at
    for value in TABLE[name][argument].bad:
        with pytest.raises(RecipeError, match=rf"{name}\({argument}="):
            function(**given, **{argument: value})


@pytest.fixture(scope="module")
def makers(tmp_path_factory):
    """How each function is called in its simplest form."""
    root = tmp_path_factory.mktemp("sets")
    images, labels = toy_arrays()
    write_pairs(root / "pairs", n=24, layers=("early_layers", "late_layers"))
    scenes = write_scenes(root / "scenes")
    cifar, folder = write_cifar10(root / "cifar-10-batches-py"), image_folder(root / "folder")
    pairs, toys = make_pair_dls(), make_toy_dls()
    frames = detection_dls(scenes)
    small = {"arch": "tiny_cnn", "model_args": {"width": 4}}
    silent = {"arch": TOY_BACKBONE, "model_args": {"proposals": (50, 20)}}
    return {
        "array_dls": lambda **kw: array_dls(images, labels, **{"bs": 16, **kw}),
        "cifar_dls": lambda **kw: cifar_dls(cifar, **{"bs": 16, **kw}),
        "digits_dls": digits_dls,
        "folder_dls": lambda **kw: folder_dls(folder, **{"size": 12, "bs": 16, **kw}),
        "saliency_dls": lambda **kw: saliency_dls(root / "pairs", **{"bs": 8, "cache": root / "cache", **kw}),
        "detection_dls": lambda **kw: detection_dls(scenes, **kw),
        "image_learner": lambda **kw: image_learner(toys, **small, **kw),
        "fusion_learner": lambda **kw: fusion_learner(pairs, **small, **kw),
        "detection_learner": lambda **kw: detection_learner(frames, **silent, **kw),
    }


SEEN = [
    (name, argument)
    for name in ("array_dls", "saliency_dls", "detection_dls", "image_learner", "fusion_learner")
    for argument, row in TABLE[name].items()
    if row.see is not None
]


@pytest.mark.parametrize(("name", "argument"), SEEN)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_value_in_range_changes_what_it_says_and_is_recorded(name, argument, makers):
    row, make = TABLE[name][argument], makers[name]
    made = make(**{argument: row.good})
    recorded = made.recipe["args"][argument]
    assert recorded == (list(row.good) if isinstance(row.good, list) else row.good)
    seen = row.see(made)
    assert seen != row.see(make()) if row.gives is OTHER else seen == row.gives


@pytest.mark.parametrize(("name", "argument"), [(n, a) for n, (_, rows) in CALLBACKS.items() for a in rows])
def test_what_a_callback_was_made_with_is_recorded(name, argument):
    first, rows = CALLBACKS[name]
    kind, good = getattr(public, name), rows[argument].good
    made = kind(**{argument: good}) if name == "Accumulate" and argument == "n" else kind(*first, **{argument: good})
    recorded = callback_settings([made])[made.name][argument]
    assert recorded == (list(good) if isinstance(good, tuple) else good)


def test_run_json_holds_them_as_used(tmp_path):
    dls = make_toy_dls(crop=2, erase=0.25)
    cbs = [public.CutMix(p=0.5), public.EarlyStop(patience=4), Run(tmp_path, "a", report=False)]
    learn = image_learner(dls, "tiny_cnn", wd=0.125, clip=0.5, cbs=cbs)
    learn.logger = lambda row: None
    learn.fit_one_cycle(1, 0.05)
    said = read_json(tmp_path / "a" / "run.json")
    assert said["recipe"]["dls"]["args"]["crop"] == 2 and said["recipe"]["dls"]["args"]["erase"] == 0.25
    assert said["recipe"]["learner"]["args"]["wd"] == 0.125 and said["recipe"]["learner"]["args"]["clip"] == 0.5
    assert said["callbacks"]["cut_mix"] == {"p": 0.5, "alpha": 1.0} and said["callbacks"]["early_stop"]["patience"] == 4
    assert said["fit"]["lr"] == 0.05 and said["callbacks"]["gradient_clip"]["max_norm"] == 0.5


def test_models_and_runs_take_what_is_in_range(tmp_path):
    model = create_model("tiny_cnn", n_in=4, n_out=7, width=4)
    assert model(torch.zeros(1, 4, 16, 16)).shape == (1, 7)
    run = Run(tmp_path, **{name: row.good for name, row in RUN.items()}, monitor="accuracy")
    assert (run.retention.every, run.retention.last, run.retention.permanent) == (3, 3, 3)
    assert (run.keep_checkpoints, run.report, run.resume) == (False, False, False)
