"""`verify`: every fault of a data set, before anything is trained on it."""

from pathlib import Path

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike
from learnerkit.data.checked import check_files
from learnerkit.data.cifar import is_cifar, scan_cifar
from learnerkit.data.copies import contradictions, first_copies
from learnerkit.data.detection import scan_detection
from learnerkit.data.detection_listing import is_detection
from learnerkit.data.faults import Fault, Report
from learnerkit.data.folder import CHECK_VERSION, check_image, list_folder
from learnerkit.data.pairs import is_pairs, scan_pairs


def verify(path: PathLike) -> Report:
    """All faults of a data set: a CIFAR folder or archive, class folders of images, pairs of maps, or frames
    with boxes.

    Copies that contradict each other are faults of folders; CIFAR's official ones are warned of when it is opened.

    path: the set. Files that were found good before and have not changed are not read again.
    Returns a Report, true when the set is good; DataError when there is nothing that could be checked.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if is_cifar(path):
        source, faults, rows = scan_cifar(path)
        return Report(path, source.name if source else "CIFAR", rows, faults)
    if is_detection(path):
        _, faults, n = scan_detection(path)
        return Report(path, "detection set", n, faults)
    if is_pairs(path):
        _, faults, n = scan_pairs(path)
        return Report(path, "pairs of maps", n, faults)
    listing = list_folder(path)
    found = check_files(listing.files, check_image, "image", CHECK_VERSION)
    names = [str(file.relative_to(path)) for file in listing.files]
    faults = [Fault(name, reason) for name, (reason, _) in zip(names, found, strict=True) if reason]
    good = [row for row, (reason, _) in enumerate(found) if not reason]
    copies = first_copies([found[row][1] for row in good])
    labels = [listing.labels[row] for row in good]
    faults += contradictions(copies, np.array(labels), [names[row] for row in good], listing.vocab)
    return Report(path, "image folder", len(names), faults)
