"""What is read from the predictions of a part, as one asks for it: tables and figures, no pictures."""

from typing import Any, Literal

import numpy as np
import pandas as pd

from learnerkit.classify.calibration import calibration_figures, conformal_threshold, is_distribution
from learnerkit.classify.confidence import aurc, coverage_curve
from learnerkit.classify.confused import confused_pairs, confused_table
from learnerkit.classify.evaluation import Evaluation
from learnerkit.classify.label_issues import suspects_of
from learnerkit.classify.metrics import report_text
from learnerkit.classify.per_class import averages_table, per_class_table, summary_of
from learnerkit.classify.superclasses import block_sums
from learnerkit.core.calibrated import Calibration, sets_of
from learnerkit.core.errors import DataError
from learnerkit.core.ranges import AtLeastOne, Count, Inner, checked
from learnerkit.pages.confusion import normalised

Normalize = Literal["true", "pred"] | bool | None


class Answers:
    """Questions to the predictions of a part, which is not predicted again.

    seen: names, targets, probabilities and groups of the samples.
    """

    seen: Evaluation

    def valid_part(self) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and targets of the valid part, which temperature and sets are fitted on.

        DataError where it is not known, or its probabilities are no distribution.
        """
        if self.seen.valid is None:
            raise DataError("calibration: the valid part was not predicted, so that no temperature can be fitted on it")
        if not is_distribution(self.seen.valid[0]):
            raise DataError("calibration: the probabilities of a sample do not sum to 1; a temperature needs a softmax")
        return self.seen.valid

    def confusion_matrix(self, normalize: Normalize = None) -> np.ndarray:
        """Counts [K,K]: rows the true classes, columns the predicted ones, in the order of `vocab`.

        normalize: 'true' (or True) for shares of each row, 'pred' for shares of each column.
        """
        return normalised(self.seen.matrix, shares(normalize))

    @checked
    def most_confused(self, min_val: AtLeastOne = 1) -> list[tuple[str, str, int]]:
        """Pairs of a true and another predicted class with their counts, most first.

        min_val: least count.
        """
        pairs, counts = confused_pairs(self.seen.targets, self.seen.predicted)
        named = zip(pairs, counts, strict=True)
        return [(self.seen.vocab[a], self.seen.vocab[b], int(count)) for (a, b), count in named if count >= min_val]

    def confused(self) -> pd.DataFrame:
        """`most_confused` as a table: true, predicted, count, share of the class and, with groups, same_group."""
        return confused_table(self.seen.targets, self.seen.predicted, self.seen.vocab, self.seen.groups)

    def block_sums(self) -> pd.DataFrame:
        """The confusion matrix summed by group; DataError where the classes have no groups."""
        return block_sums(self.seen.matrix, self._groups())

    @checked
    def per_class(self, level: Inner = 0.95) -> pd.DataFrame:
        """A row a class: accuracy, precision, recall, F1, support, intervals; see `per_class.per_class_table`.

        level: of Wilson's intervals.
        """
        return per_class_table(self.seen.targets, self.seen.predicted, self.seen.vocab, self.seen.groups, level)

    @checked
    def best(self, k: AtLeastOne = 10) -> pd.DataFrame:
        """The k classes of the greatest accuracy, the best first; k: how many."""
        return self.per_class().sort_values(["accuracy", "f1"], ascending=False, kind="stable").head(k)

    @checked
    def worst(self, k: AtLeastOne = 10) -> pd.DataFrame:
        """The k classes of the least accuracy, the worst first; k: how many."""
        return self.per_class().sort_values(["accuracy", "f1"], kind="stable").head(k)

    def averages(self) -> pd.DataFrame:
        """Precision, recall and F1 over the whole vocabulary: rows 'macro' and 'weighted'."""
        return averages_table(self.seen.targets, self.seen.predicted, len(self.seen.vocab))

    def summary(self) -> dict[str, Any]:
        """The figures of the part: accuracy with its interval, top-5, averages, superclasses; see `summary_of`."""
        return summary_of(self.seen.probabilities, self.seen.targets, self.seen.groups)

    def print_classification_report(self) -> None:
        """scikit-learn's report over the whole vocabulary; what divides by zero is 0."""
        print(report_text(self.seen.targets, self.seen.predicted, self.seen.vocab))

    @checked
    def mistakes(self, k: Count | None = None) -> pd.DataFrame:
        """The mistakes, the most confident first: row, id, true, predicted, confidence, second, third (with theirs).

        k: how many; all when None.
        """
        rows = self.seen.surest_mistakes[:k]
        likeliest = [[f"{name} {chance:.4f}" for name, chance in self.seen.top(row)[1:]] for row in rows]
        return pd.DataFrame(
            {
                "row": rows,
                "id": self.seen.ids[rows].astype(str),
                "true": [self.seen.vocab[code] for code in self.seen.targets[rows]],
                "predicted": [self.seen.vocab[code] for code in self.seen.predicted[rows]],
                "confidence": self.seen.confidence[rows],
                "second": [names[0] if names else "" for names in likeliest],
                "third": [names[1] if len(names) > 1 else "" for names in likeliest],
            }
        )

    def calibration(self) -> dict[str, Any]:
        """Whether it is right as often as it says.

        Keys: ece (15 equal bins), brier (summed over classes), nll, each also with '_calibrated' behind, for the
        probabilities after the temperature; temperature, and fitted_on, the part that it is of; sets: of each stated
        coverage the coverage found and the mean number of classes in a set.
        """
        return calibration_figures(self.seen.probabilities, self.seen.targets, self.fitted())

    @checked
    def sets(self, coverage: Inner = 0.9) -> np.ndarray:
        """The conformal set of each sample, bool [N,K]: sets hold the true class as often as stated.

        coverage: above 0 and below 1. Fitted on the valid part: see `calibration.conformal_threshold`.
        """
        fitted, stated = self.fitted(), f"{coverage:g}"
        if stated in fitted.thresholds:
            return sets_of(fitted.probabilities(self.seen.probabilities), fitted.thresholds[stated])
        probabilities, targets = self.valid_part()
        of_truth = fitted.probabilities(probabilities)[np.arange(len(targets)), targets]
        return sets_of(fitted.probabilities(self.seen.probabilities), conformal_threshold(of_truth, coverage))

    def aurc(self) -> float:
        """The area under risk over coverage, 0 at best: see `confidence.aurc`."""
        return aurc(self.seen.probabilities, self.seen.targets)

    def coverage(self) -> tuple[np.ndarray, np.ndarray]:
        """The accuracy on the samples that it is surest of over their share: coverage [N], accuracy [N]."""
        return coverage_curve(self.seen.probabilities, self.seen.targets)

    def without_twins(self) -> dict[str, float | int | None]:
        """The accuracy as given, and without the samples whose twin (equal or near copy) is in the training part.

        Keys: accuracy, accuracy_without_twins (None where none is left), twins. DataError where nobody has looked.
        """
        if self.seen.twins is None:
            raise DataError("twins: nobody has looked for copies of the training part; only a set of learnerkit's is")
        others = self.seen.right[~self.seen.twins]
        rest = float(others.mean()) if len(others) else None
        given = float(self.seen.right.mean())
        return {"accuracy": given, "accuracy_without_twins": rest, "twins": int(self.seen.twins.sum())}

    def suspects(self) -> pd.DataFrame:
        """Samples whose label is probably wrong, the likeliest first: see `label_issues.suspects_of`."""
        return suspects_of(self.seen)

    def fitted(self) -> Calibration:
        """Temperature and sets, fitted on the valid part; DataError where its probabilities are no distribution."""
        if self.seen.fitted is None:
            self.valid_part()
        return self.seen.fitted

    def _groups(self) -> list[str]:
        if not self.seen.groups:
            raise DataError("groups: the classes have none; give groups= where the predictions are made or read")
        return self.seen.groups


def shares(normalize: Normalize) -> str | None:
    """The kind of shares that `normalize` means: None for counts, 'true' of rows, 'pred' of columns."""
    if normalize not in (None, False, True, "true", "pred"):
        raise DataError(
            f"normalize: {normalize!r}; 'true' (shares of rows), 'pred' (shares of columns) or None (counts)"
        )
    return "true" if normalize is True else normalize or None
