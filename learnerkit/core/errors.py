"""The one family of errors, and the helpers that make their messages useful.

A message names the file or argument, what was found, what would be right, and what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class LearnerkitError(Exception):
    """Base of every error that a user can repair; the command line prints it without a traceback.

    Examples:
        >>> try:
        ...     load_recipe("digitz")
        ... except LearnerkitError as error:
        ...     print(error)
        recipe 'digitz': no recipe, task or .yaml file of this name; did you mean digits...
    """

    exit_code = 2


class DataError(LearnerkitError):
    """A data file, folder or split that cannot be used.

    Examples:
        >>> try:
        ...     array_dls([[[0]]], [0])
        ... except DataError as error:
        ...     print(error)
        arrays: the valid part is empty...
    """


class UnsafeFileError(DataError):
    """A file that asks for code to be run or memory to be claimed on loading."""


class ModelError(LearnerkitError):
    """An unknown model name or impossible model argument.

    Examples:
        >>> try:
        ...     create_model("simple_cn")
        ... except ModelError as error:
        ...     print(error)
        unknown model 'simple_cn'; did you mean simple_cnn...
    """


class RecipeError(LearnerkitError):
    """A recipe or argument with wrong keys or values; one message lists all of them.

    Examples:
        >>> try:
        ...     digits_dls(batch_size=64)
        ... except RecipeError as error:
        ...     print(error)
        digits_dls(): unknown key 'batch_size'; did you mean bs?
    """


class RunError(LearnerkitError):
    """A run folder that is missing, in use, damaged or does not fit.

    Examples:
        >>> try:
        ...     load_run("runs/nowhere")
        ... except RunError as error:
        ...     print(error)
        runs/nowhere: is not a run folder...
    """


class TrainingError(LearnerkitError):
    """Training cannot go on: a loss that is not finite, an unsupported precision.

    Examples:
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn")
        >>> try:
        ...     with learn.no_bar(), learn.no_logging():
        ...         learn.fit(1, 1e30)
        ... except TrainingError as error:
        ...     print(error)
        the loss is not finite in training batch 2 of epoch 1...
    """

    exit_code = 1


class StoppedError(LearnerkitError):
    """A training stopped by Ctrl-C or SIGTERM; the exit code says which."""

    exit_code = 130


def stopped(stop: KeyboardInterrupt, further: str) -> StoppedError:
    """The error of a polite stop, with the exit code of its signal.

    stop: with the signal's number and the run folder, where they are known; further: what the message goes on to say,
        in which RUN stands for that folder.
    """
    run = next((text for text in stop.args if isinstance(text, str)), "RUN")
    error = StoppedError(f"stopped. {further.replace('RUN', run)}")
    error.exit_code = 128 + next((number for number in stop.args if isinstance(number, int)), 2)
    return error


MEANT = {  # words of other libraries, for what is called otherwise here
    "aa": "randaugment",
    "accumulate_grad_batches": "accumulate",
    "amp": "precision",
    "architecture": "arch",
    "augment": "randaugment",
    "backbone": "arch",
    "backbones": "arch",
    "batch": "bs",
    "batch_size": "bs",
    "callbacks": "cbs",
    "checkpoint": "weights",
    "checkpoint_dir": "out",
    "clip_grad": "clip",
    "cut_mix": "cutmix",
    "data_dir": "data",
    "data_path": "data",
    "dataset": "data",
    "div": "div_factor",
    "drop_path": "stochastic_depth",
    "ema_decay": "ema",
    "epoch": "epochs",
    "experiment": "out",
    "div_factor": "div",
    "div_final": "final_div_factor",
    "final_div_factor": "div_final",
    "fractions": "split",
    "grad_clip": "clip",
    "gradient_clip_val": "clip",
    "image_size": "size",
    "img_size": "size",
    "imgsz": "size",
    "label_smooth": "label_smoothing",
    "learning_rate": "lr",
    "log_dir": "out",
    "logdir": "out",
    "lr0": "lr",
    "lr_max": "lr",
    "lr_scheduler": "schedule",
    "lrate": "lr",
    "max_epochs": "epochs",
    "max_lr": "lr",
    "min_delta": "early_stop_delta",
    "mix_up": "mixup",
    "model": "arch",
    "model_ema": "ema",
    "model_name": "arch",
    "n_epoch": "epochs",
    "n_epochs": "epochs",
    "net": "arch",
    "normalize": "stats",
    "num_epochs": "epochs",
    "optim": "opt",
    "optimizer": "opt",
    "output": "out",
    "output_dir": "out",
    "padding": "crop",
    "patience": "early_stop",
    "pretrained": "weights",
    "project": "out",
    "random_seed": "seed",
    "reprob": "erase",
    "resident": "cache",
    "resolution": "size",
    "save_dir": "out",
    "sched": "schedule",
    "scheduler": "schedule",
    "smoothing": "label_smoothing",
    "shift": "crop",
    "skip_bad": "bad",
    "valid": "split",
    "valid_pct": "split",
    "warmup_pct": "pct_start",
    "weight_decay": "wd",
    "worker": "num_workers",
    "workers": "num_workers",
}


MANY, SOME = 150, 8  # names of which not all are listed, and how many then are


def nearest(name: str, known: Iterable[str]) -> str:
    """Words for an error message: the known names nearest to `name`, or all (of very many some) when none is near."""
    known = sorted(known)
    if MEANT.get(name) in known:
        return f"did you mean {MEANT[name]}?"
    close = get_close_matches(name, known, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    many = f"{len(known):,} are known, such as " if len(known) > MANY else "known: "
    return many + ", ".join(known[:SOME] if len(known) > MANY else known)


def differing(before: Any, now: Any) -> str:
    """Words for what changed: only the keys that differ, where both are mappings."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        return ", ".join(f"{key}: {differing(before.get(key), now.get(key))}" for key in keys)
    return f"{before!r}, now {now!r}"


def check_keys(given: Iterable[str], known: Iterable[str], what: str) -> list[str]:
    """One fault line for each of `given` that is not in `known`, with the nearest right key."""
    known = list(known)
    return [f"{what}: unknown key '{key}'; {nearest(key, known)}" for key in given if key not in known]
