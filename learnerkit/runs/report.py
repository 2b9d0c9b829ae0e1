"""report.html: one self-contained page about a run, made from its files."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader
from sklearn.metrics import precision_recall_fscore_support

from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike, atomic_write, read_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.runs.detection_figures import detection_figures
from learnerkit.runs.evaluate_frames import is_detector
from learnerkit.runs.figures import evaluation_of, own_figures, save_figures

HEADLINES = (
    ("test_mAP", "test mAP", "{:.4f}"),
    ("test_mAP50", "test mAP50", "{:.4f}"),
    ("test_mAP50_tta", "test mAP50 with TTA", "{:.4f}"),
    ("valid_mAP", "validation mAP", "{:.4f}"),
    ("valid_mAP50", "validation mAP50", "{:.4f}"),
    ("ms_per_image", "time an image", "{:.1f} ms"),
    ("test_accuracy", "test accuracy", "{:.2%}"),
    ("test_accuracy_tta", "test accuracy with TTA", "{:.2%}"),
    ("valid_accuracy", "validation accuracy", "{:.2%}"),
    ("test_macro_f1", "test macro F1", "{:.4f}"),
    ("parameters", "parameters", "{:,}"),
    ("seconds", "training time", "{:,.0f} s"),
)


def write_report(path: PathLike | RunFolder) -> Path:
    """Draw the figures and write report.html of a run; needs its files alone, not the model or the data.

    path: the run folder.
    """
    run = path if isinstance(path, RunFolder) else RunFolder.open(path)
    described = run.described()
    results = _optional(run, "results.json") or {}
    evaluation = evaluation_of(run)
    detection = _detection(described, results)
    figures = {file.stem: base64.b64encode(file.read_bytes()).decode() for file in draw_figures(run, described)}
    headlines = [(label, form.format(results[key])) for key, label, form in HEADLINES if results.get(key) is not None]
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    page = environment.get_template("report.html.j2").render(
        name=f"{run.path.resolve().parent.name}/{run.path.resolve().name}",
        run=described,
        status=_optional(run, "status.json") or {},
        results=results,
        headlines=headlines,
        figures=figures,
        history=run.history(),
        classes=class_table(evaluation) if evaluation else [],
        confused=most_confused(evaluation["matrix"], evaluation["vocab"]) if evaluation else [],
        evaluation=evaluation,
        detection=detection,
    )
    return atomic_write(run.file("report.html"), page)


def draw_figures(run: RunFolder, described: dict[str, Any]) -> list[Path]:
    """Draw every figure for which the run has files, into figures/; returns their paths.

    described: the run's run.json.
    """
    rows = run.history()
    figures = own_figures(run, rows)
    if is_detector(described):
        figures |= detection_figures(run, rows, described["classes"], described["data"]["modalities"])
    return save_figures(run, figures)


def _detection(described: dict[str, Any], results: dict[str, Any]) -> dict[str, Any] | None:
    """Tables of a detector's page: average precision by class and by size, and what each modality is worth."""
    part = "test" if "test_mAP" in results else "valid"
    if not is_detector(described) or f"{part}_per_class" not in results:
        return None
    classes = sorted(results[f"{part}_per_class"].items(), key=lambda item: -1 if item[1] is None else item[1])
    sizes = {name: results.get(f"{part}_mAP_{name}") for name in ("small", "medium", "large")}
    return {"part": part, "classes": classes, "sizes": sizes, "ablation": results.get("ablation")}


def _optional(run: RunFolder, name: str) -> Any:
    try:
        return read_json(run.file(name))
    except DataError:
        return None


def class_table(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class, worst first; 'n/a' where a class has no image in the part."""
    vocab = evaluation["vocab"]
    predicted = evaluation["probabilities"].argmax(axis=1)
    labels = list(range(len(vocab)))
    scores = precision_recall_fscore_support(evaluation["targets"], predicted, labels=labels, zero_division=np.nan)
    rows = []
    for code, (precision, recall, f1, support) in enumerate(zip(*scores, strict=True)):
        figures = {"precision": precision, "recall": recall, "f1": f1 if support else np.nan}
        shown = {key: "n/a" if np.isnan(value) else f"{value:.3f}" for key, value in figures.items()}
        rows.append({"name": vocab[code], **shown, "support": int(support), "order": -1 if np.isnan(f1) else f1})
    return sorted(rows, key=lambda row: row["order"])


def most_confused(matrix: np.ndarray, vocab: list[str], k: int = 10) -> list[tuple[str, str, int]]:
    """The k largest off-diagonal entries of a confusion matrix: (true, predicted, count)."""
    off = matrix - np.diag(np.diag(matrix))
    best = np.argsort(-off, axis=None, kind="stable")[:k]
    rows, columns = np.unravel_index(best, off.shape)
    pairs = zip(rows, columns, strict=True)
    return [(vocab[row], vocab[column], int(off[row, column])) for row, column in pairs if off[row, column]]
