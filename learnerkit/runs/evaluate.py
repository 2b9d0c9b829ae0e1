"""`evaluate_run`: measure a finished run again, on its own parts or on other data, labelled or not."""

from pathlib import Path
from typing import Any

import numpy as np

from learnerkit.callbacks.tta import TTA
from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import write_npz
from learnerkit.core.unpickle import load_cifar_pickle
from learnerkit.data.cifar import PLANE, is_cifar, read_cifar
from learnerkit.data.folder import SUFFIXES, decode, list_folder, read_folder
from learnerkit.data.source import ImageSource
from learnerkit.runs.figures import draw_confusion
from learnerkit.runs.load import load_run
from learnerkit.tasks.evaluate import evaluate_parts, figures_of, predict_part, write_predictions, write_report_text


def evaluate_run(
    path: PathLike, tta: int = 0, data: PathLike | None = None, codes: bool = False
) -> tuple[Path, dict[str, Any]]:
    """Evaluate a run's best weights with and without TTA.

    path: the run folder.
    tta: number of test-time views; 0 for none.
    data: other data: a CIFAR folder, a folder of class folders, a flat folder of images, or an unlabelled CIFAR pickle
        (keys data and, if it likes, ids); the run's own valid and test parts when None.
    codes: class indices instead of names in predictions.csv.
    Returns the folder written to, and the figures.
    """
    run = RunFolder.open(path)
    if data is None:
        learn = load_run(path)
        results = evaluate_parts(learn, run, ["valid", "test"] if len(learn.dls.loaders) > 2 else ["valid"], tta, codes)
        return run.path, results
    learn = load_run(path)
    source = read_any(Path(data), learn.dls.source)
    target = run.file("evaluations") / Path(data).name
    target.mkdir(parents=True, exist_ok=True)
    items = [np.ascontiguousarray(image) for image in source.images]
    dl = learn.dls.test_dl(items)
    results: dict[str, Any] = {"data": str(data), "images": len(items)}
    probabilities, _ = predict_part(learn, dl)
    shown = predict_part(learn, dl, [TTA(tta)])[0] if tta else probabilities
    write_predictions(target / "predictions.csv", np.array(source.ids), shown, learn.dls.source.vocab, codes)
    arrays = {"ids": np.array(source.ids), "probabilities": probabilities}
    if (source.labels >= 0).all():
        results |= {f"all_{key}": value for key, value in figures_of(probabilities, source.labels).items()}
        if tta:
            results |= {f"all_{key}_tta": value for key, value in figures_of(shown, source.labels).items()}
        arrays["targets"] = source.labels
        write_report_text(target / "classification_report.txt", source.labels, shown, source.vocab, "all")
        matrix = np.zeros((len(source.vocab),) * 2, dtype=int)
        np.add.at(matrix, (source.labels, shown.argmax(axis=1)), 1)
        draw_confusion(matrix, source.vocab, Path(data).name).savefig(target / "confusion_matrix.png")
    if tta:
        arrays["probabilities_tta"] = shown
    write_npz(target / "predictions.npz", **arrays)
    write_json(target / "results.json", results)
    return target, results


def read_any(path: Path, like: ImageSource) -> ImageSource:
    """Images of any format that the command line takes, with the classes and size of the run's own set.

    Unlabelled images have the label -1.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    size = tuple(like.images.shape[2:])
    if path.is_file() and not is_cifar(path):
        return _unlabelled_pickle(path, like)
    if is_cifar(path):
        source = read_cifar(path, "coarse" if like.name.endswith("-coarse") else "fine")
        if source.vocab != like.vocab:
            raise DataError(f"{path}: its classes are {source.vocab[:5]}..., the run's {like.vocab[:5]}...")
        return source
    if any(entry.is_dir() for entry in path.iterdir()):
        return read_folder(list_folder(path, like.vocab), size)
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"{path}: holds no image files and no class folders")
    images, faults = [], []
    for file in files:
        try:
            images.append(decode(file, size))
        except (OSError, ValueError, SyntaxError, DataError) as error:
            faults.append(f"{file}: {error}")
    if faults:
        raise DataError(f"{path}: {len(faults)} image(s) cannot be read:\n  " + "\n  ".join(faults))
    labels = np.full(len(files), -1)
    return ImageSource(path.name, np.stack(images), labels, like.vocab, [file.stem for file in files])


def _unlabelled_pickle(path: Path, like: ImageSource) -> ImageSource:
    batch = load_cifar_pickle(path.read_bytes(), str(path))
    data = batch.get("data")
    if not isinstance(data, np.ndarray) or data.size % PLANE:
        raise DataError(
            f"{path}: needs the key 'data' with rows of {PLANE:,} bytes; it has {', '.join(map(str, batch))}"
        )
    images = data.transpose(0, 3, 1, 2) if data.ndim == 4 and data.shape[-1] == 3 else data.reshape(-1, 3, 32, 32)
    labels = batch.get("labels", [-1] * len(images))
    ids = [str(name) for name in batch.get("ids", range(len(images)))]
    return ImageSource(path.name, images, np.array(labels), like.vocab, ids)
