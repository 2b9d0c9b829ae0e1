"""Where the time of a recipe's epoch goes: the first five costs of a few training steps, and what is not the model.

    python benchmarks/costs.py RECIPE [--data DATA] [--steps 4]

torch's profiler over a fit as the recipe describes it; one thread, so that times add up. Operations are grouped by
what they are for; `python` is what passes between them: the loop, the callbacks, the library's own code.
"""

import argparse
import time
from collections import defaultdict

import torch
from torch.profiler import ProfilerActivity, profile

from learnerkit.learner.wiring import fit
from learnerkit.runs.recipes import load_recipe
from learnerkit.runs.settle import settle
from learnerkit.tasks import get_task

GROUPS = {  # words in the names of operations; the first that fits counts
    "convolutions, backward": ("convolution_backward",),
    "convolutions, forward": ("convolution", "conv2d", "mkldnn_conv"),
    "matrix products": ("addmm", "matmul", "::mm", "bmm", "linear", "attention", "flash"),
    "norms": ("batch_norm", "layer_norm", "group_norm"),
    "pooling": ("pool",),
    "activations": ("relu", "gelu", "silu", "sigmoid", "threshold", "softmax", "hard"),
    "regions of boxes": ("roi_align", "nms"),
    "the optimizer": ("fused_sgd", "fused_adam", "Optimizer", "foreach"),
    "augmentation and loading": ("index", "flip", "unfold", "grid_sample", "affine", "gather", "upsample", "interp"),
    "copies and layouts": ("copy", "contiguous", "clone", "_to_copy", "cat", "empty", "zero", "fill", "resize"),
    "sums and products of tensors": (
        "add",
        "mul",
        "sub",
        "div",
        "sum",
        "mean",
        "lerp",
        "norm",
        "sqrt",
        "pow",
        "bernoulli",
    ),
}
NOT_THE_MODEL = ("augmentation and loading", "the optimizer", "python")


def group_of(name: str) -> str:
    """What an operation is for."""
    found = (group for group, words in GROUPS.items() if any(word in name for word in words))
    return next(found, "other operations")


def costs(recipe: str, data: str | None, steps: int) -> tuple[float, dict[str, float]]:
    """Milliseconds a step, and of each group."""
    flags = {"epochs": 1, "limit_batches": steps, **({"data": data} if data else {})}
    settled = load_recipe(recipe, flags)
    task = get_task(settled.task)
    settled, dls = settle(settled, task)
    learn = task.build_learner(settled, dls, [])
    learn.dls.loaders[1] = learn.dls.valid.new(get_idxs=lambda: [])
    with learn.no_bar(), learn.no_logging():
        fit(settled, learn)  # warms up
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            start = time.perf_counter()
            fit(settled, learn)
            whole = time.perf_counter() - start
    spent: dict[str, float] = defaultdict(float)
    for row in seen.key_averages():
        spent[group_of(row.key)] += row.self_cpu_time_total / 1e3 / steps
    step_ms = whole * 1e3 / steps
    spent["python"] = max(0.0, step_ms - sum(spent.values()))
    return step_ms, spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--data")
    parser.add_argument("--steps", type=int, default=4)
    given = parser.parse_args()
    torch.set_num_threads(1)
    step_ms, spent = costs(given.recipe, given.data, given.steps)
    first = sorted(spent.items(), key=lambda item: -item[1])[:5]
    shares = [f"{name} {100 * ms / step_ms:.1f} %" for name, ms in first]
    extra = {
        name: f"{100 * spent[name] / step_ms:.1f} %" for name in ("augmentation and loading", "the optimizer", "python")
    }
    print(f"{given.recipe}: {step_ms:,.1f} ms a step: {', '.join(shares)}")
    print(f"    not the model: {', '.join(f'{name} {share}' for name, share in extra.items())}")


if __name__ == "__main__":
    main()
