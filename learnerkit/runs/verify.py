"""`verify`: every fault of a data set, before anything is trained on it."""

from pathlib import Path

from learnerkit.core.files import PathLike
from learnerkit.data.faults import Report
from learnerkit.tasks import find_task


def verify(path: PathLike) -> Report:
    """All faults of a data set: a CIFAR folder or archive, class folders of images, pairs of maps, frames with boxes.

    Copies that contradict each other are faults of folders; CIFAR's official ones are warned of when it is opened.

    path: the set. Files that were found good before and have not changed are not read again.
    Returns a Report, true when the set is good; DataError when there is nothing that could be checked.

    Examples:
        >>> scenes = make_digit_scenes("scenes", {"train": 6, "val": 2, "test": 2})
        >>> bool(verify(scenes))
        True
        >>> _ = (scenes / "labels" / "val_0000.txt").write_text("0 1.5 0.5 0.2 0.2")
        >>> "lies outside the image" in str(verify(scenes))
        True
    """
    path = Path(path)
    return find_task(path).verb("verify")(path)
