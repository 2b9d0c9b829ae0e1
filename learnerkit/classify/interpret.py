"""fastai's ClassificationInterpretation with the predictions kept: the model runs once, everything else reads them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.figure import Figure

from learnerkit._fastai import ClassificationInterpretation, DataLoader, Learner, detuplify
from learnerkit.callbacks.identity import class_names
from learnerkit.classify import figures
from learnerkit.classify.answers import Answers, Normalize, shares
from learnerkit.classify.evaluation import Evaluation, evaluation_of
from learnerkit.classify.kept import read_maps, read_samples
from learnerkit.classify.metrics import activation_of
from learnerkit.classify.seen import loader_of, pictures_of, predicted_part, with_twins
from learnerkit.classify.superclasses import Groups, groups_of
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import PathLike
from learnerkit.core.ranges import AtLeastOne, checked
from learnerkit.core.run_folder import RunFolder
from learnerkit.data.split import evenly
from learnerkit.pages.figure import shown
from learnerkit.pages.letters import as_written

SHOWN = 15  # samples of a grid


class ImageInterpretation(Answers, ClassificationInterpretation):
    """What a classifier got right and wrong, from one pass (`from_learner`) or a run's files (`from_run`).

    learn, dl, act: the learner, the loader that was predicted, the activation of the predictions; None of a run.
    seen: names, targets, probabilities and groups of the samples, an `Evaluation`.
    preds: probabilities [N,K]; targs: class indices [N]; decoded: predicted classes [N]; losses: [N], of the learner's
        own loss, or the negative logarithm of the true class's probability.

    Examples:
        >>> learn = image_learner(digits_dls(bs=64, size=16), "simple_cnn")
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(1, 0.05)
        >>> seen = ImageInterpretation.from_learner(learn)
        >>> seen.confusion_matrix().shape
        (10, 10)
        >>> list(seen.worst(3).columns[:3])
        ['accuracy', 'accuracy_low', 'accuracy_high']
    """

    preds: torch.Tensor
    targs: torch.Tensor
    seen: Evaluation

    @classmethod
    def from_learner(
        cls,
        learn: Learner,
        ds_idx: int = 1,
        dl: DataLoader | None = None,
        act: Any = None,
        cbs: Any = None,
        groups: Groups | None = None,
    ) -> "ImageInterpretation":
        """Predict once and keep everything.

        learn: the learner.
        ds_idx: which of `learn.dls`: 0 train, 1 valid, 2 test; or `dl`, any loader with targets.
        dl: the loader.
        act: activation of the predictions; the loss function's when None, softmax where it has none.
        cbs: callbacks of the pass, such as TTA(16).
        groups: of the classes: a group's name to its classes, a class to its group, or the group of each in order. The
            20 superclasses where the classes are those of CIFAR-100.
        """
        dl, part = loader_of(learn, ds_idx, dl)
        act = act or activation_of(learn.loss_func)
        preds, targs, losses = learn.get_preds(dl=dl, with_loss=True, act=act, cbs=cbs)
        if preds.ndim != 2:
            raise DataError(
                f"ImageInterpretation: predictions of shape {list(preds.shape)} are no classes of images; what a "
                "detector found is looked at by DetectionInterpretation.from_learner(learn)"
            )
        interpretation = cls(learn, dl, losses, act)
        interpretation.preds, interpretation.targs, interpretation._cbs = preds, targs, cbs
        vocab = class_names(learn.dls)
        grouped = groups_of(vocab, groups)
        interpretation.seen = predicted_part(learn, dl, part, preds, targs, vocab, grouped, cbs)
        return interpretation

    @classmethod
    def from_run(
        cls, path: PathLike, part: Literal["valid", "test"] | None = None, groups: Groups | None = None
    ) -> "ImageInterpretation":
        """Read what a run has kept; neither model nor data are needed, and those of its samples that it kept are drawn.

        path: the run folder.
        part: 'valid' or 'test'; the last that was evaluated when None.
        groups: as in `from_learner`.
        RunError where the run was not evaluated.
        """
        run = RunFolder.open(path)
        seen = evaluation_of(run, part, groups)
        if seen is None:
            raise RunError(f"{run.path}: was not evaluated yet; learnerkit evaluate {run.path} measures its weights")
        interpretation = cls.__new__(cls)
        interpretation.learn = interpretation.dl = interpretation.act = interpretation._cbs = None
        interpretation.vocab, interpretation.seen, interpretation.run = seen.vocab, seen, run
        interpretation.preds = torch.from_numpy(np.asarray(seen.probabilities))
        interpretation.targs = torch.from_numpy(np.asarray(seen.targets, dtype=np.int64))
        interpretation.losses = torch.from_numpy(seen.losses)
        return interpretation

    @property
    def decoded(self) -> torch.Tensor:
        """Predicted class indices [N]."""
        return self.preds.argmax(dim=-1)

    def plot_confusion_matrix(self, normalize: Normalize = None, groups: bool = False, **kwargs: Any) -> Figure:
        """Draw the confusion matrix, classes of a group side by side.

        normalize: 'true' (or True) for shares of rows, 'pred' for shares of columns.
        groups: the sums over groups of classes instead.
        kwargs: title, and others of fastai's that have no meaning here.
        """
        if groups:
            self._groups()
            return shown(figures.groups_figure(self.seen))
        figure = figures.confusion_figure(self.seen, shares(normalize))
        if kwargs.get("title"):
            figure.axes[0].set_title(kwargs["title"])
        return shown(figure)

    def plot_per_class(self) -> Figure:
        """Draw the accuracy of each class with its interval; of many classes the best and the worst."""
        return shown(figures.class_figure(self.seen))

    def plot_calibration(self) -> Figure:
        """Draw the reliability diagram, as it is and with the temperature."""
        return shown(figures.calibration_figure(self._with_valid()))

    def plot_confidence(self) -> Figure:
        """Draw the confidence of right and wrong predictions, and accuracy over coverage."""
        return shown(figures.confidence_figure(self.seen))

    @checked
    def wrong(self, k: AtLeastOne = SHOWN, explain: bool = False) -> Figure:
        """Draw the most confident mistakes: predicted and true names, a cross, the three likeliest classes.

        k: how many. explain: whether Grad-CAM of the predicted class is drawn beside each.
        """
        return self._draw(self.seen.surest_mistakes, k, "The surest mistakes", explain)

    @checked
    def samples(self, k: AtLeastOne = SHOWN, explain: bool = False) -> Figure:
        """Draw samples that are spread evenly over the part, right and wrong; k, explain: as in `wrong`."""
        return self._draw(evenly(len(self.seen.targets), k), k, "Samples", explain)

    @checked
    def plot_suspects(self, k: AtLeastOne = SHOWN) -> Figure:
        """Draw the samples whose label is most probably wrong; k: how many."""
        return self._draw(self.suspects()["row"].to_numpy(), k, "Suspected labels", False, "label")

    def plot_top_losses(self, k: int | list, largest: bool = True, **kwargs: Any) -> Any:
        """Draw the samples with the greatest losses, or the least; pairs of maps side by side.

        k: how many, or which places of that order; largest: the greatest first; kwargs: fastai's.
        """
        places = isinstance(k, (list, tuple, range))
        k = k if places else min(k, len(self.losses))
        if self.learn is None:
            order = self.losses.argsort(descending=largest, stable=True).numpy()
            rows = order[list(k)] if places else order
            return self._draw(rows, len(k) if places else k, "Greatest losses" if largest else "Least losses", False)
        if self.dl.n_inp == 1:
            with as_written(self.vocab):
                return super().plot_top_losses(k, largest, **kwargs)
        _, idxs = self.top_losses(None if places else k, largest)[:2]
        idxs = idxs[list(k)] if places else idxs
        items = [self.dl.items[int(i)] for i in idxs]
        loader = self.learn.dls.test_dl(items, with_labels=True, bs=len(items))
        return loader.show_results(loader.one_batch(), self.decoded[idxs], max_n=len(items))

    def __getitem__(self, idxs: Any) -> tuple:
        """Inputs, probabilities, targets, decoded predictions and losses at `idxs`; the model is not run again."""
        if self.learn is None:
            raise RunError(f"{self.run.path}: read without its data; from_learner(load_run(path)) has the inputs")
        idxs = [idxs] if isinstance(idxs, int) else [int(i) for i in idxs]
        items = [self.dl.items[i] for i in idxs]
        loader = self.learn.dls.test_dl(items, with_labels=True, bs=max(1, len(items)))
        inputs = loader.one_batch()[: loader.n_inp]
        return detuplify(inputs), self.preds[idxs], self.targs[idxs], self.decoded[idxs], self.losses[idxs]

    def valid_part(self) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and targets of the valid part; a learner predicts it where another part was looked at."""
        if self.seen.valid is None and self.seen.part == "valid":
            self.seen = replace(self.seen, valid=(self.seen.probabilities, self.seen.targets))
        elif self.seen.valid is None and self.learn is not None:
            valid = ImageInterpretation.from_learner(self.learn, cbs=self._cbs, act=self.act).seen
            self.seen = replace(self.seen, valid=(valid.probabilities, valid.targets))
        return super().valid_part()

    def _with_valid(self) -> Evaluation:
        self.valid_part()
        return self.seen

    def without_twins(self) -> dict[str, float | int | None]:
        """As `Answers.without_twins`; the twins of a learner's part are looked for once."""
        if self.seen.twins is None and self.learn is not None:
            self.seen = with_twins(self.learn, self.seen)
        return super().without_twins()

    def _draw(self, rows: Sequence[int] | np.ndarray, k: int, title: str, explain: bool, given: str = "true") -> Figure:
        """Draw the first k of some rows; of a run, of those whose pictures were kept."""
        heading = f"{title} ({self.seen.note})"
        if self.learn is None:
            pictures, maps = read_samples(self.run, self.seen), read_maps(self.run, self.seen) if explain else None
            if explain and not maps:
                raise RunError(f"{self.run.path}: read without its model; from_learner(load_run(path)) can explain")
            held = pictures if maps is None else pictures.keys() & maps.keys()
            rows = [int(row) for row in rows if int(row) in held][:k]
            of_each = None if maps is None else [maps[row] for row in rows]
            return shown(figures.draw_samples(self.seen, rows, pictures, heading, of_each, given=given))
        rows = [int(row) for row in rows[:k]]
        pictures, maps = pictures_of(self.learn, self.dl, rows, self.seen.predicted[rows] if explain else None)
        return shown(figures.draw_samples(self.seen, rows, pictures, heading, maps, given=given))
