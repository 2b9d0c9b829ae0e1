"""The tables of a classifier's page, from what was predicted."""

from typing import Any

from learnerkit.classify.calibration import calibration_figures, is_distribution
from learnerkit.classify.confidence import aurc, coverage_at
from learnerkit.classify.confused import confused_table
from learnerkit.classify.evaluation import Evaluation
from learnerkit.classify.per_class import per_class_table, summary_of
from learnerkit.core.calibrated import Calibration
from learnerkit.core.text import formatted
from learnerkit.pages.page import Table

MOST_CONFUSED = 20  # pairs of classes that are listed
FIGURES = (
    ("accuracy", "accuracy"),
    ("top5_accuracy", "top-5 accuracy"),
    ("group_accuracy", "superclass accuracy"),
    ("mistakes_inside_group", "mistakes inside the true superclass"),
    ("macro_precision", "precision, mean over classes"),
    ("macro_recall", "recall, mean over classes"),
    ("macro_f1", "F1, mean over classes"),
    ("weighted_f1", "F1, weighted by samples"),
)


def tables(seen: Evaluation | None, results: dict[str, Any]) -> list[Table]:
    """The tables of a classifier's page: figures, views, what the accuracy hides, most confused, classes."""
    found = [view_table(results)] if results.get("tta_views") else []
    if seen is None or not len(seen.targets):
        return found
    found += [figure_table(seen), confidence_table(seen)]
    if is_distribution(seen.probabilities):
        found.append(calibration_table(seen))
    found += hidden_table(seen)
    found += confusion_table(seen)
    return [*found, class_table(seen)]


def view_table(results: dict[str, Any]) -> Table:
    """Accuracy and log loss without and with test-time views."""
    rows = []
    for part in ("valid", "test"):
        if f"{part}_accuracy_tta" in results:
            accuracy = [formatted(results[f"{part}_accuracy{end}"], "{:.2%}") for end in ("", "_tta")]
            loss = [formatted(results[f"{part}_log_loss{end}"], "{:.4f}") for end in ("", "_tta")]
            rows.append((part, *accuracy, *loss))
    heads = ("part", "accuracy", f"with {results['tta_views']} views", "log loss", "with views")
    passes = [f"{part} {results[key]:.2f}" for part in ("valid", "test") if (key := f"{part}_passes_tta") in results]
    note = ""
    if passes:
        note = f"Views of images less sure than {results['tta_until']:.4f} alone; passes an image: {', '.join(passes)}."
    return Table("Test-time augmentation", heads, rows, note, early=True)


def figure_table(seen: Evaluation) -> Table:
    """The figures of the whole part."""
    known = summary_of(seen.probabilities, seen.targets, seen.groups)
    rows = [(label, formatted(known[key], "{:.2%}")) for key, label in FIGURES if key in known]
    interval = f"95 % interval of the accuracy: {known['accuracy_low']:.2%} to {known['accuracy_high']:.2%} (Wilson)."
    return Table(f"Figures ({seen.note}, {len(seen.targets):,} samples)", ("figure", "value"), rows, interval)


def confidence_table(seen: Evaluation) -> Table:
    """What it reaches when it may pass over the samples that it is least sure of."""
    rows = [
        (f"{level:.0%}", f"{coverage_at(seen.probabilities, seen.targets, level):.1%}")
        for level in (0.9, 0.95, 0.98, 0.99)
    ]
    note = f"Area under risk over coverage (AURC): {aurc(seen.probabilities, seen.targets):.4f}; 0 is best."
    heads = ("accuracy wanted", "share of samples it may answer, the surest first")
    return Table("Answering only when sure", heads, rows, note)


def calibration_table(seen: Evaluation) -> Table:
    """Calibration errors as it is and with the temperature, and what the sets of a stated coverage hold."""
    known = calibration_figures(seen.probabilities, seen.targets, seen.fitted or Calibration())
    names = (("ece", "expected calibration error"), ("brier", "Brier score"), ("nll", "negative log likelihood"))
    if seen.fitted is None:
        rows = [(label, f"{known[key]:.4f}") for key, label in names]
        return Table("Calibration", ("figure", "value"), rows, "No valid part was measured: no temperature was fitted.")
    rows = [(label, f"{known[key]:.4f}", f"{known[f'{key}_calibrated']:.4f}") for key, label in names]
    sets = "; ".join(
        f"stated {float(stated):.0%}: {held['coverage']:.1%} covered by {held['mean_size']:.2f} classes"
        for stated, held in known["sets"].items()
    )
    note = f"Temperature {known['temperature']:.3f}, fitted on {known['fitted_on']} ({seen.fitted.samples:,} samples). "
    return Table("Calibration", ("figure", "as it is", "with the temperature"), rows, f"{note}Sets of classes, {sets}.")


def hidden_table(seen: Evaluation) -> list[Table]:
    """What the accuracy of the part hides: as given, and without the samples that have a twin in the training part."""
    if seen.twins is None:
        return []
    rows = [("as given", f"{len(seen.targets):,}", f"{seen.right.mean():.2%}")]
    if seen.twins.any():
        others, n = seen.right[~seen.twins], int(seen.twins.sum())
        without = formatted(others.mean() if len(others) else None, "{:.2%}")
        rows.append(("without those with a twin in train", f"{len(others):,}", without))
        rows.append(("those with a twin in train", f"{n:,}", f"{seen.right[seen.twins].mean():.2%}"))
    note = "A twin is an equal image, or one re-encoded, resized, shifted, mirrored or brightened."
    if not seen.twins.any():
        note = (
            "No sample has a twin (equal, re-encoded, resized, shifted, mirrored or brightened) in the training part."
        )
    return [Table(f"What the {seen.part} accuracy hides", ("samples", "number", "accuracy"), rows, note)]


def confusion_table(seen: Evaluation) -> list[Table]:
    """The pairs of classes that are confused most, none where nothing is wrong."""
    known = confused_table(seen.targets, seen.predicted, seen.vocab, seen.groups).head(MOST_CONFUSED)
    if not len(known):
        return []
    heads = ("true", "predicted as", "times", "share of the class", *(("same superclass",) if seen.groups else ()))
    columns = [known["true"], known["predicted"], map(str, known["count"]), map("{:.1%}".format, known["share"])]
    if seen.groups:
        columns.append(known["same_group"].map({True: "yes", False: "no"}))
    rows = list(zip(*columns, strict=True))
    return [Table("Most confused", heads, rows)]


def class_table(seen: Evaluation) -> Table:
    """Each class, worst first; 'n/a' where a class has no sample in the part."""
    known = per_class_table(seen.targets, seen.predicted, seen.vocab, seen.groups)
    known = known.sort_values(["accuracy", "f1"], kind="stable", na_position="first")
    heads = (
        "class",
        *(("superclass",) if seen.groups else ()),
        "accuracy",
        "95 % interval",
        "precision",
        "recall",
        "F1",
        "images",
    )
    rows = []
    for name, row in known.iterrows():
        held = row["support"] > 0
        figures = [formatted(row[key] if held else None, "{:.3f}") for key in ("precision", "recall", "f1")]
        interval = f"{row['accuracy_low']:.3f} to {row['accuracy_high']:.3f}" if held else formatted(None, "")
        accuracy = formatted(row["accuracy"], "{:.3f}")
        group = (row["group"],) if seen.groups else ()
        rows.append((str(name), *group, accuracy, interval, *figures, f"{int(row['support'])}"))
    return Table(f"Classes, worst first ({seen.note})", heads, rows, long=True)
