"""What results.json holds of a training that has come to its end."""

from typing import Any

from fastai.learner import Learner


def training_figures(learn: Learner, rows: list[dict[str, Any]], monitor: str, best: float | None) -> dict[str, Any]:
    """The figures of the epoch whose weights are kept as the best, and what the training took.

    rows: of the run's ledger; monitor, best: the figure that chose, and its value.
    """
    chosen = next((row for row in reversed(rows) if row["is_best"]), {})
    figures = {_result(key): chosen[key] for key in learn.figure_names if key in chosen}
    figures["best_epoch"] = chosen.get("epoch")
    figures[f"best_valid_{monitor.removeprefix('valid_')}"] = best
    parameters = sum(p.numel() for p in learn.model.parameters())
    seconds = round(sum(row["seconds"] for row in rows), 1)
    figures |= {"epochs": len(rows), "parameters": parameters, "seconds": seconds}
    figures["peak_memory_mb"] = max((row.get("peak_memory_mb") or 0 for row in rows), default=None)
    return figures


def _result(figure: str) -> str:
    """How results.json calls a figure of the ledger."""
    return figure if figure.startswith(("train_", "valid_")) else f"valid_{figure}"
