"""Every public function that takes a path takes a str and a Path."""

import inspect
import shutil
from pathlib import Path

import pytest
from PIL import Image

import learnerkit.all as everything
from learnerkit.all import (
    Run,
    SaveTopK,
    array_dls,
    cifar_dls,
    combine_modalities,
    compare_runs,
    detection_dls,
    detection_learner,
    digits_dls,
    ensemble_runs,
    evaluate_run,
    export_model,
    find_suspects,
    folder_dls,
    image_learner,
    load_model,
    load_recipe,
    load_run,
    make_digit_scenes,
    make_saliency_pairs,
    predict_run,
    run_sweep,
    saliency_dls,
    verify,
    write_comparison,
    write_report,
)
from learnerkit.classify.cifar import read_cifar, scan_cifar
from learnerkit.classify.folder import list_folder
from learnerkit.detect.data.scan import read_detection, scan_detection
from learnerkit.fuse.scan import read_pairs, scan_pairs
from tests.conftest import make_toy_dls, toy_arrays, toy_learner
from tests.images import image_folder, write_cifar10
from tests.pairs import write_pairs
from tests.runs.fake import fake_run
from tests.scenes import SMALL, TOY_BACKBONE, picture, write_scenes


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a small set of each kind, and two finished runs as their files say them."""
    root = tmp_path_factory.mktemp("paths")
    write_cifar10(root / "cifar")
    image_folder(root / "images")
    write_pairs(root / "pairs", n=20)
    write_scenes(root / "frames")
    for kind, mode in (("rgb", "RGB"), ("thermal", "L"), ("event", "L")):
        picture(root / kind / "a.png", (8, 6), (9, 9, 9) if mode == "RGB" else 9, mode)
    for name, seed in (("a", 1), ("b", 2)):
        fake_run(root / "runs", name, "add", seed, 0.8)
    (root / "own.yaml").write_text("data: {path: digits}\n")
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of a script on the digits."""
    root = tmp_path_factory.mktemp("trained")
    learn = image_learner(digits_dls(bs=32, size=16, limit=64), "tiny_cnn", cbs=Run(root, "a"), limit_batches=1)
    learn.logger = lambda row: None
    learn.fit(1)
    return root / "a"


def a_picture(run):
    Image.new("L", (16, 16)).save(run.parent / "one.png")
    return run.parent / "one.png"


def sweep_fails_before_it_starts(kind, place, out):
    with pytest.raises(everything.RecipeError, match="needs --grid"):
        run_sweep(kind(place / "own.yaml"), [], {}, kind(out / "sweep"))


def into(kind, out, dls):
    learn = toy_learner([Run(kind(out), "r"), SaveTopK("valid_loss", "min", 1, folder=kind(out / "k"))], dls=dls)
    learn.fit(1)
    return out / "r"


CALLS = {
    "cifar_dls": lambda kind, place, out: cifar_dls(kind(place / "cifar"), bs=8),
    "folder_dls": lambda kind, place, out: folder_dls(kind(place / "images"), size=12, bs=8),
    "saliency_dls": lambda kind, place, out: saliency_dls(kind(place / "pairs"), bs=8, cache=kind(out / "cache")),
    "detection_dls": lambda kind, place, out: detection_dls(kind(place / "frames")),
    "read_cifar": lambda kind, place, out: (read_cifar(kind(place / "cifar")), scan_cifar(kind(place / "cifar"))),
    "list_folder": lambda kind, place, out: list_folder(kind(place / "images")),
    "read_pairs": lambda kind, place, out: (read_pairs(kind(place / "pairs")), scan_pairs(kind(place / "pairs"))),
    "read_detection": lambda kind, place, out: (
        read_detection(kind(place / "frames")),
        scan_detection(kind(place / "frames")),
    ),
    "verify": lambda kind, place, out: verify(kind(place / "images")),
    "combine_modalities": lambda kind, place, out: combine_modalities(
        *(kind(place / name) for name in ("rgb", "thermal", "event")), kind(out / "frames")
    ),
    "make_digit_scenes": lambda kind, place, out: make_digit_scenes(kind(out / "s"), {"train": 2, "val": 1, "test": 1}),
    "make_saliency_pairs": lambda kind, place, out: make_saliency_pairs(
        image_learner(dls := array_dls(*toy_arrays(24), bs=4), "tiny_cnn", path=kind(out)), dls, kind(out / "pairs")
    ),
    "load_recipe": lambda kind, place, out: load_recipe(kind(place / "own.yaml")),
    "run_sweep": sweep_fails_before_it_starts,
    "compare_runs": lambda kind, place, out: write_comparison(compare_runs(kind(place / "runs")), kind(out / "page")),
    "ensemble_runs": lambda kind, place, out: ensemble_runs(
        [kind(place / "runs" / name) for name in "ab"], kind(out / "mean")
    ),
    "Run": lambda kind, place, out: into(kind, out, make_toy_dls()),
    "image_learner": lambda kind, place, out: toy_learner(path=kind(out), model_dir=kind(Path("m"))).save("a"),
    "detection_learner": lambda kind, place, out: detection_learner(
        detection_dls(kind(place / "frames")), TOY_BACKBONE, model_args=SMALL, path=kind(out)
    ),
    "export_model": lambda kind, place, out: load_model(kind(export_model(toy_learner().model, kind(out / "m")))),
}
OF_A_RUN = {
    "load_run": lambda kind, run: load_run(kind(run)),
    "write_report": lambda kind, run: write_report(kind(run)),
    "evaluate_run": lambda kind, run: evaluate_run(kind(run)),
    "export_model": lambda kind, run: export_model(load_run(kind(run)), kind(run / "again")),
    "load_model": lambda kind, run: load_model(kind(run)),
    "find_suspects": lambda kind, run: find_suspects(kind(run), folds=2, train=lambda dls: toy_learner(dls=dls)),
    "predict_run": lambda kind, run: predict_run(kind(run), kind(a_picture(run)), kind(run.parent / "predicted")),
}
WITH_ANOTHER = {  # called within the entry that is named
    "write_comparison": "compare_runs",
    "SaveTopK": "Run",
    "fusion_learner": "image_learner",  # one dataclass holds path= and model_dir= for all three
}


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("name", CALLS)
def test_a_str_and_a_path(name, kind, place, tmp_path):
    CALLS[name](kind, place, tmp_path)


@pytest.mark.filterwarnings("ignore:the models agree with:UserWarning")  # they are not trained
@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("name", OF_A_RUN)
def test_a_str_and_a_path_of_a_run(name, kind, trained, tmp_path):
    OF_A_RUN[name](kind, Path(shutil.copytree(trained, tmp_path / "a")))


def test_no_public_function_that_takes_a_path_is_left_out():
    taking = set()
    for name in everything.__all__:
        item = getattr(everything, name)
        if callable(item) and getattr(item, "__module__", "").startswith("learnerkit"):
            target = item.__init__ if inspect.isclass(item) else item
            kinds = [str(parameter.annotation) for parameter in inspect.signature(target).parameters.values()]
            kinds = [kind for kind in kinds if "Callable" not in kind]
            taking |= {name} if any("PathLike" in kind or "pathlib.Path" in kind for kind in kinds) else set()
    assert "load_run" in taking and "detection_dls" in taking
    assert taking <= {*CALLS, *OF_A_RUN, *WITH_ANOTHER}, taking - {*CALLS, *OF_A_RUN, *WITH_ANOTHER}
