"""The demos that need more than one recipe: each ends in a page, without any download."""

from pathlib import Path

from rich.console import Console

from learnerkit.core.errors import RunError
from learnerkit.data.digit_scenes import make_digit_scenes
from learnerkit.data.dls import digits_dls
from learnerkit.interpret.pairs import make_saliency_pairs
from learnerkit.learner.factory import image_learner
from learnerkit.runs.compare import compare_runs
from learnerkit.runs.comparison_page import print_comparison, write_comparison
from learnerkit.runs.sweep import run_sweep


def saliency_demo(out: Path, console: Console, jobs: int = 2) -> Path:
    """Pairs of maps of the handwritten digits, all seven fusions trained briefly, and their comparison.

    out: the folder of pairs, runs and page; console: where to speak; jobs: trials at a time.
    Run again, it does what is missing. Returns the page.
    """
    pairs = out / "pairs"
    if not (pairs / "done").exists():
        if out.exists() and any(out.iterdir()) and not pairs.exists():
            raise RunError(f"{out}: is not a folder of this demo; choose another --out")
        console.print("  a classifier of the digits, whose gradients and Grad-CAM make the pairs")
        dls = digits_dls(bs=64)
        learn = image_learner(dls, "simple_cnn", seed=1)
        learn.fit_one_cycle(6, 0.1)
        make_saliency_pairs(learn, dls, pairs, layer="middle")
        (pairs / "done").write_text("")
    settings = {"data": str(pairs), "cache": str(out / "cache"), "arch": "wrn_10_1", "epochs": "8", "lr": ".05"}
    settings |= {"schedule": "one_cycle", "normalize": True}
    run_sweep("saliency-wrn", ["fusion=all"], settings, out / "runs", jobs, None, console)
    comparison = compare_runs(out / "runs")
    page = write_comparison(comparison, out)
    print_comparison(comparison, console)
    console.print(f"  page                 {page}")
    return page


def detection_scenes(out: Path, console: Console) -> Path:
    """The scenes of the detection demo, written once: RGB, thermal and event frames of handwritten digits.

    out: the demo's folder; console: where to speak.
    """
    scenes = out / "scenes"
    if not (scenes / "done").exists():
        if out.exists() and any(out.iterdir()) and not scenes.exists():
            raise RunError(f"{out}: is not a folder of this demo; choose another --out")
        console.print("  scenes of handwritten digits in RGB, thermal and event channels, half of them by night")
        make_digit_scenes(scenes)
        (scenes / "done").write_text("")
    return scenes
