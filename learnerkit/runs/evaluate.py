"""`evaluate_run`: measure a finished run again, on its own parts or on other data, labelled or not."""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from learnerkit.callbacks.tta import TTA
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import PathLike, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import write_npz
from learnerkit.core.unpickle import load_cifar_pickle
from learnerkit.data.block import evaluation_dls, whole
from learnerkit.data.cifar import PLANE, is_cifar, read_cifar
from learnerkit.data.faults import Fault, settle
from learnerkit.data.folder import SUFFIXES, decode_all, list_folder, read_folder
from learnerkit.data.pair_block import pair_loaders
from learnerkit.data.pairs import PairSource, read_pairs
from learnerkit.data.source import UNLABELLED, ImageSource
from learnerkit.runs.evaluate_frames import evaluate_frames, is_detector, output_folder
from learnerkit.runs.figures import draw_confusion
from learnerkit.runs.load import load_run
from learnerkit.runs.report import write_report
from learnerkit.tasks.evaluate import evaluate_parts, figures_of, predict_part, write_predictions, write_report_text
from learnerkit.tasks.evaluate_detection import evaluate_detection


def evaluate_run(
    path: PathLike, tta: int = 0, data: PathLike | None = None, codes: bool = False
) -> tuple[Path, dict[str, Any]]:
    """Evaluate a run's best weights with and without TTA.

    path: the run folder.
    tta: number of test-time views; 0 for none.
    data: other data: a CIFAR folder, a folder of class folders, a flat folder of images, or an unlabelled CIFAR pickle
        (keys data and, if it likes, ids); for a detector a detection set or a folder of frames. The run's own valid and
        test parts when None; the run's own data need not be there any more.
    codes: class indices instead of names in predictions.csv.
    Returns the folder written to, and the figures.
    """
    run = RunFolder.open(path)
    described = run.described()
    if data is None:
        learn = load_run(path)
        measure = evaluate_detection if is_detector(described) else evaluate_parts
        results = measure(learn, run, ["valid", "test"] if len(learn.dls.loaders) > 2 else ["valid"], tta, codes)
        if is_detector(described):
            write_report(run)  # its pictures are of the predictions that were just written
        return run.path, results
    if not described.get("data"):
        raise RunError(f"{run.path}: was made from DataLoaders of its own; use load_run(path, data=dls) and get_preds")
    place = Path(data).resolve()
    if is_detector(described):
        return evaluate_frames(run, described, place, tta, codes)
    pairs = described["data"].get("pairs", False)
    source = read_pairs_for(place, described) if pairs else read_any(place, described)
    dls = pair_loaders(source, whole(source), None, None, bs=64, drop_last=False) if pairs else evaluation_dls(source)
    learn = load_run(path, data=dls)
    target = output_folder(run, place)
    dl = dls.test_dl(list(range(len(source))))
    results: dict[str, Any] = {"data": str(place), "images": len(source)}
    probabilities, _ = predict_part(learn, dl)
    shown = predict_part(learn, dl, [TTA(tta)])[0] if tta else probabilities
    write_predictions(target / "predictions.csv", np.array(source.ids), shown, source.vocab, codes)
    arrays = {"ids": np.array(source.ids), "probabilities": probabilities}
    if (source.labels != UNLABELLED).all():
        results |= {f"all_{key}": value for key, value in figures_of(probabilities, source.labels).items()}
        if tta:
            results |= {f"all_{key}_tta": value for key, value in figures_of(shown, source.labels).items()}
        arrays["targets"] = source.labels
        write_report_text(target / "classification_report.txt", source.labels, shown, source.vocab, "all")
        matrix = confusion_matrix(source.labels, shown.argmax(axis=1), labels=list(range(len(source.vocab))))
        draw_confusion(matrix, source.vocab, place.name).savefig(target / "confusion_matrix.png")
    if tta:
        arrays["probabilities_tta"] = shown
    write_npz(target / "predictions.npz", **arrays)
    write_json(target / "results.json", results)
    return target, results


def read_pairs_for(path: Path, described: dict[str, Any]) -> PairSource:
    """The pairs of a folder, with the classes, shape and statistics of a run's own set.

    described: the run's run.json.
    """
    source, data = read_pairs(path, least=1), described["data"]
    if source.vocab != described["classes"][: len(source.vocab)]:
        raise DataError(f"{path}: its classes are {source.vocab[:5]}..., the run's {described['classes'][:5]}...")
    if source.shape != tuple(data["shape"]):
        raise DataError(f"{path}: its maps are {source.shape}, the run's {tuple(data['shape'])}")
    source.vocab, source.keeps = described["classes"], tuple(data["keeps"])
    source.stats = tuple(map(tuple, data["stats"])) if data["stats"] else None
    return source


def read_any(path: Path, described: dict[str, Any]) -> ImageSource:
    """Images of any format that the command line takes, with the classes, size and statistics of a run's own set.

    described: the run's run.json. Unlabelled images have the label -1.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    vocab, data = described["classes"], described["data"]
    size = tuple(data["shape"][1:])
    if path.is_file() and not is_cifar(path):
        source = _unlabelled_pickle(path, vocab)
    elif is_cifar(path):
        source = read_cifar(path, "coarse" if data["name"].endswith("-coarse") else "fine")
        if source.vocab != vocab:
            raise DataError(f"{path}: its classes are {source.vocab[:5]}..., the run's {vocab[:5]}...")
    elif any(entry.is_dir() and not entry.name.startswith(".") for entry in path.iterdir()):
        source = read_folder(list_folder(path, vocab), size, labelled=False)
    else:
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not files:
            raise DataError(f"{path}: holds no image files and no class folders")
        ids = [file.stem for file in files]
        ids = ids if len(set(ids)) == len(ids) else [file.name for file in files]
        images, faults = decode_all(files, size)
        settle(str(path), [Fault(files[row].name, reason) for row, reason in faults.items()], len(files), False)
        source = ImageSource(path.name, images, np.full(len(files), UNLABELLED), vocab, ids)
    source.stats, source.keeps = tuple(map(tuple, data["stats"])), tuple(data["keeps"])
    if source.images.shape[1:] != tuple(data["shape"]):
        raise DataError(f"{path}: its images are {source.images.shape[1:]}, the run's {tuple(data['shape'])}")
    return source


def _unlabelled_pickle(path: Path, vocab: list[str]) -> ImageSource:
    batch = load_cifar_pickle(path.read_bytes(), str(path))
    data = batch.get("data")
    rows = isinstance(data, np.ndarray) and (data.shape[1:] == (PLANE,) or data.shape[1:] == (32, 32, 3))
    if not rows:
        found = data.shape if isinstance(data, np.ndarray) else f"the keys {', '.join(map(str, batch))}"
        raise DataError(f"{path}: needs 'data' with rows of {PLANE:,} bytes or of 32x32x3; it has {found}")
    images = data.transpose(0, 3, 1, 2) if data.ndim == 4 else data.reshape(-1, 3, 32, 32)
    ids = [str(name) for name in batch.get("ids", range(len(images)))]
    labels = batch.get("labels", [UNLABELLED] * len(images))
    if not all(type(code) is int for code in labels):
        raise DataError(f"{path}: its labels are not all integers")
    return ImageSource(path.name, np.ascontiguousarray(images), np.array(labels), vocab, ids)
