"""The curves of a run of any task, from its ledger and its batches: what goes together, as charts and as pictures."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from learnerkit.core.run_folder import OF_THE_MACHINE, RunFolder
from learnerkit.pages.charts import Chart, Curve, charts_of
from learnerkit.pages.figure import new_figure, whole_epochs
from learnerkit.pages.letters import plain_text

NO_METRICS = {"epoch", "lr", "step", "skipped", "is_best", "checkpoint", *OF_THE_MACHINE}
LOSSES = ["train_loss", "valid_loss"]
NAMES = {"accuracy": "valid accuracy"}  # of what stands beside a figure of training
OF_TRAINING = {
    "train_accuracy": "train accuracy (augmented)",
    "train_accuracy_mixed": "train accuracy (mixed images, label of the larger share)",
}
FEW = 6  # figures of one kind; more of them, such as one of each class, have a chart and a picture of their own
Rates = tuple[np.ndarray, np.ndarray]
Group = tuple[str, list[str]]


def metric_groups(rows: list[dict]) -> list[Group]:
    """The metrics of a ledger as (title, keys): what is drawn together because it is of one kind and range.

    First the accuracy of training and validation, then what lies between 0 and 1, then each that does not by itself,
    and last each kind of which there are more than `FEW`.
    """
    metrics = metric_keys(rows)
    many = _many(metrics)
    single = [key for key in metrics if not any(key in keys for keys in many.values())]
    accuracies = [key for key in single if key == "accuracy" or key in OF_TRAINING]
    others = [key for key in single if key not in accuracies]
    shares = [key for key in others if all(0 <= value <= 1 for value in _values(rows, key))]
    groups = [("Accuracy", accuracies), ("Metrics", shares)]
    groups += [(_worded(key).capitalize(), [key]) for key in others if key not in shares]
    groups += [(f"{kind.replace('_', ' ')} ({len(keys)} figures)", keys) for kind, keys in many.items()]
    return [(title, keys) for title, keys in groups if keys]


def metric_keys(rows: list[dict]) -> list[str]:
    """The figures of a ledger that say what was learnt, without the losses."""
    named = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in NO_METRICS]
    found = [key for key in named if not key.startswith(("train_", "valid_"))]
    return [key for key in [*found, *(key for key in OF_TRAINING if key in named)] if _values(rows, key)]


def run_charts(run: RunFolder, rows: list[dict]) -> dict[str, list[Chart]]:
    """The charts of a run by the name of the picture that stands for them without a script; none before an epoch.

    rows: of the ledger.
    """
    if not rows:
        return {}
    parts = {"Loss": [key for key in LOSSES if _values(rows, key)], **dict(metric_groups(rows))}
    steps, rates = read_rates(run)
    rate = [Chart("Learning rate", "step", steps.tolist(), [Curve("learning rate", rates.tolist())])]
    return {
        "training_curves": charts_of(((title, _named(keys)) for title, keys in parts.items()), rows),
        "loss_parts": charts_of(_loss_parts(rows), rows),
        "learning_rate": rate if len(steps) else [],
    }


def curve_figures(run: RunFolder, rows: list[dict]) -> dict[str, Figure]:
    """The curves of a run by the names of their files; none before its first epoch.

    rows: of the ledger.
    """
    if not rows:
        return {}
    rates, groups = read_rates(run), metric_groups(rows)
    many = [group for group in groups if len(group[1]) > FEW]
    drawn = {"loss": _one(rows, LOSSES, "Loss", "loss")}
    few = [key for _, keys in groups if len(keys) <= FEW for key in keys]
    if groups:
        drawn["accuracy"] = _one(rows, _main(groups), groups[0][0], "value")
    return {
        "training_curves": _training(rows, few),
        **drawn,
        "validation": _validation(rows, groups),
        "learning_rate": _learning_rate(rates),
        "combined": _combined(rows, few, rates),
        **{f"classes_{number}": _one(rows, keys, title, "value") for number, (title, keys) in enumerate(many, 1)},
    }


def _main(groups: list[Group]) -> list[str]:
    """The figures of the first group, the accuracy of training and validation where there is one."""
    return groups[0][1][:FEW] if groups else []


def _many(metrics: list[str]) -> dict[str, list[str]]:
    """The kinds, such as 'AP' of 'AP_cat', of which there are more than `FEW` figures."""
    kinds: dict[str, list[str]] = {}
    for key in metrics:
        kinds.setdefault(key.partition("_")[0], []).append(key)
    return {kind: keys for kind, keys in kinds.items() if len(keys) > FEW}


def _values(rows: list[dict], key: str) -> list[float]:
    found = (row.get(key) for row in rows)
    return [value for value in found if isinstance(value, (int, float)) and not isinstance(value, bool)]


def _loss_parts(rows: list[dict]) -> list[tuple[str, dict[str, str]]]:
    names = [key.removeprefix("train_") for key in rows[-1] if key.startswith("train_loss_")]
    return [
        (
            _worded(name).capitalize(),
            {f"{part}_{name}": part for part in ("train", "valid") if f"{part}_{name}" in rows[-1]},
        )
        for name in names
    ]


def _one(rows: list[dict], keys: list[str], title: str, ylabel: str) -> Figure:
    many = len(keys) > FEW
    figure, axes = new_figure(9 if many else 7)
    draw_lines(axes, rows, _named(keys), title, ylabel)
    if many:
        axes.legend(fontsize=6, ncols=-(-len(keys) // 25), loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _training(rows: list[dict], metrics: list[str]) -> Figure:
    figure, (left, right) = new_figure(11, 4.2, 1, 2)
    draw_lines(left, rows, _named(LOSSES), "Loss", "loss")
    draw_lines(right, rows, _named(metrics), "Metrics", "value")
    return figure


def _validation(rows: list[dict], groups: list[Group]) -> Figure:
    """The validation loss and, on an axis of its own to the right, the accuracy, or what the task has in its place."""
    figure, left = new_figure()
    draw_lines(left, rows, _named(["valid_loss"]), "Validation", "loss")
    shown = [key for key in _main(groups) if key not in OF_TRAINING]
    if shown:
        right = left.twinx()
        right.set_prop_cycle(color=colormaps["tab10"].colors[1:])  # the left axis has the first
        draw_lines(right, rows, _named(shown), "", "value")
        right.grid(False)
        lines = [*left.get_lines(), *right.get_lines()]
        right.get_legend().remove()
        left.legend(lines, [line.get_label() for line in lines], loc="center right")
    return figure


def _learning_rate(rates: Rates) -> Figure:
    figure, axes = new_figure()
    _rate_line(axes, rates)
    return figure


def _combined(rows: list[dict], metrics: list[str], rates: Rates) -> Figure:
    figure, axes = new_figure(11, 8, 2, 2)
    draw_lines(axes[0, 0], rows, _named(LOSSES), "Loss", "loss")
    draw_lines(axes[0, 1], rows, _named(metrics), "Metrics", "value")
    _rate_line(axes[1, 0], rates)
    axes[1, 1].bar([row["epoch"] for row in rows], [row["seconds"] for row in rows])
    axes[1, 1].set(title="Time", xlabel="epoch", ylabel="seconds")
    axes[1, 1].grid(alpha=0.3)
    whole_epochs(axes[1, 1])
    return figure


def draw_lines(axes: Any, rows: list[dict], labels: dict[str, str], title: str, ylabel: str = "") -> None:
    """Figures of the ledger over the epochs, with points where they are few.

    labels: by the figure's key; ylabel: of the axis, none for ''.
    """
    epochs = [row["epoch"] for row in rows]
    for key, label in labels.items():
        values = [np.nan if row.get(key) is None else row[key] for row in rows]
        style = "--" if key in OF_TRAINING else "-"
        axes.plot(epochs, values, style, marker="o" if len(rows) < 30 else None, markersize=3, label=plain_text(label))
    axes.set(title=plain_text(title), xlabel="epoch", ylabel=ylabel)
    axes.grid(alpha=0.3)
    if labels:
        axes.legend(loc="upper right" if "loss" in title.lower() else "lower right")  # "best" looks at every point
    whole_epochs(axes)


def _rate_line(axes: Any, rates: Rates) -> None:
    axes.plot(*rates)
    axes.set(title="Learning rate", xlabel="step", ylabel="rate")
    axes.grid(alpha=0.3)


def _worded(key: str) -> str:
    return key.replace("_", " ")


def _named(keys: Iterable[str]) -> dict[str, str]:
    return {key: OF_TRAINING.get(key) or NAMES.get(key) or _worded(key) for key in keys}


def read_rates(run: RunFolder) -> Rates:
    """Steps and rates of batch_metrics.csv; a line that a kill has torn is passed over."""
    path = run.file("batch_metrics.csv")
    if not path.exists():
        return np.empty(0), np.empty(0)
    header, *rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()] or [[]]
    whole = [row for row in rows if len(row) == len(header)]
    return np.array([float(row[0]) for row in whole]), np.array([float(row[3]) for row in whole])
