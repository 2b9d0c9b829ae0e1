"""Labels that are probably wrong: each sample predicted by a model that was not trained on it, fold by fold."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from learnerkit.callbacks.identity import class_names
from learnerkit.classify.evaluate import predict_part
from learnerkit.classify.evaluation import Evaluation
from learnerkit.classify.kept import small
from learnerkit.classify.label_issues import need_clean, suspects_of
from learnerkit.core.errors import DataError
from learnerkit.core.ranges import Seed, Whole, checked
from learnerkit.core.warn import warn
from learnerkit.data.loaders import KitLoaders
from learnerkit.learner.kit import KitLearner

Fitted = Callable[[dict[str, list[str]]], KitLearner]
WEAK = 0.6  # share of the labels that models agree with, below which their word is little
MOST_DRAWN = 60  # suspects whose pictures are kept


def fold_names(dls: KitLoaders, folds: int, seed: int) -> Iterator[dict[str, list[str]]]:
    """Names of the samples to train on and to predict, fold by fold: each training and validation sample once.

    dls: whose set says labels and what stays together; folds: how many, stratified by class; seed: of the lot.
    """
    source, split = dls.source, dls.split
    rows = np.concatenate([split.train, split.valid])
    labels = source.labels[rows]
    fewest = np.bincount(labels)[np.unique(labels)].min()
    if not 2 <= folds <= fewest:
        raise DataError(
            f"folds: {folds}; 2 or more, and at most {fewest:,}, the samples of the smallest class: each fold needs one"
        )
    groups = rows if source.groups is None else source.groups[rows]
    dealing = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for kept, apart in dealing.split(rows, labels, groups):
        yield {part: [source.ids[rows[row]] for row in chosen] for part, chosen in (("train", kept), ("valid", apart))}


@checked
def out_of_fold(dls: KitLoaders, fitted: Fitted, folds: Whole = 5, seed: Seed = 0) -> Evaluation:
    """The predictions of all training and validation samples, each by a model that was not trained on it.

    dls: of the set; fitted: names of samples by part ('train', 'valid') to a learner that was trained on the first and
        whose `dls.valid` is the second.
    folds: how many models; seed: of the lot that deals the folds.
    """
    found: dict[str, tuple[np.ndarray, int]] = {}
    for names in fold_names(dls, folds, seed):
        learn = fitted(names)
        probabilities, targets = predict_part(learn, learn.dls.valid)
        found |= dict(zip(names["valid"], zip(probabilities, targets, strict=True), strict=True))
    ids = [name for part in ("train", "valid") for name in dls.ids(part)]
    return Evaluation(
        "out of fold",
        False,
        np.array(ids),
        np.array([found[name][1] for name in ids]),
        np.stack([found[name][0] for name in ids]),
        class_names(dls),
    )


def find_suspects(
    dls: KitLoaders, fitted: Fitted, seen: Evaluation | None, folds: int = 5, seed: int = 0
) -> tuple[pd.DataFrame, dict[str, dict[str, np.ndarray]]]:
    """The suspected labels of every part, the likeliest first, and the arrays that are kept of them by their file.

    dls, fitted, folds, seed: as in `out_of_fold`; seen: the run's own predictions; those of its test part are looked
        at too.
    Columns of `label_issues.suspects_of`, with the part in place of the row. 'out_of_fold' has ids, targets and
    probabilities, 'samples' the pictures of the first suspects.
    """
    need_clean()  # before anything is trained
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of what is left out of a fold on purpose
        folded = out_of_fold(dls, fitted, folds, seed)
    if (agreed := float(folded.right.mean())) < WEAK:
        warn(f"the models agree with {agreed:.0%} of the labels; the suspects of weak models are mostly their mistakes")
    parts = {name: part for part in ("train", "valid", "test") for name in dls.ids(part)}
    looked_at = [folded] if seen is None or seen.part != "test" else [folded, seen]
    table = pd.concat([suspects_of(evaluation) for evaluation in looked_at], ignore_index=True).drop(columns="row")
    table.insert(1, "part", [parts[name] for name in table["id"]])
    margin = table["label_probability"] - table["suggested_probability"]
    table = table.iloc[np.argsort(margin.to_numpy(), kind="stable")].reset_index(drop=True)
    rows = {name: row for row, name in enumerate(dls.source.ids)}
    drawn = table["id"].head(MOST_DRAWN).tolist()
    images = small(dls.source.pictures(np.array([rows[name] for name in drawn]))) if drawn else np.zeros((0, 1, 1, 1))
    return table, {
        "out_of_fold": {"ids": folded.ids, "targets": folded.targets, "probabilities": folded.probabilities},
        "samples": {"ids": np.array(drawn), "images": images.astype(np.uint8)},
    }
