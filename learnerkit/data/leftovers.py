"""What shows that a folder is half downloaded: files that a download left, archives that are packed, labels alone."""

from pathlib import Path

from learnerkit.core.text import some, words
from learnerkit.data.faults import Fault
from learnerkit.data.pictures import SUFFIXES
from learnerkit.data.walk import files_below, folders_in, holds, natural

UNFINISHED = words(".part .partial .crdownload .opdownload .download .filepart .aria2 .!ut .bc! .incomplete")
LABELS = ("labels", "label", "annotations", "annotation")
ARCHIVES = words(".zip .tar .gz .tgz .xz .txz .bz2 .tbz2 .7z .rar .zst")


def unfinished_downloads(path: Path) -> list[Fault]:
    """A fault for each file that a stopped download left below a folder, or that the path itself is.

    path: a folder or a file. Hidden files and folders are passed over, for their programs keep such files there.
    """
    files = [path] if path.is_file() and _left(path) else files_below(path, UNFINISHED) if path.is_dir() else []
    return [Fault(_name(file, path), _why(file), samples=0) for file in sorted(files, key=natural) if file.is_file()]


def _left(file: Path) -> bool:
    return file.suffix.lower() in UNFINISHED


def _why(file: Path) -> str:
    whole = file.with_suffix("")
    if file.suffix.lower() == ".aria2" and whole.exists():
        return f"{whole.name} is not downloaded whole, this file of aria2 says; let aria2 finish it, or fetch it again"
    again = f"; {whole.name} stands beside it, so remove it if that is whole" if whole.exists() else ""
    return f"a download that did not end; fetch {whole.name} again and remove it{again}"


def _name(file: Path, root: Path) -> str:
    return file.name if file == root else str(file.relative_to(root))


def not_whole(path: Path) -> str:
    """What may be why a path holds no set: unfinished downloads, packed archives, labels alone; '' for none of them."""
    left = unfinished_downloads(path)
    if left:
        return f"Its download did not end: {some([fault.file for fault in left])}; fetch what is missing again"
    if path.is_file() and path.suffix.lower() in ARCHIVES:
        return "It is still packed; unpack it first (tar -xf, unzip) and give the folder"
    packed = files_below(path, ARCHIVES) if path.is_dir() else []
    if packed:
        names = [str(file.relative_to(path)) for file in packed]
        return f"It holds {some(names)}, still packed; unpack that first (tar -xf, unzip)"
    if path.is_dir() and not any(path.iterdir()):
        return "The folder is empty"
    labels = [folder for folder in folders_in(path) if folder.name.lower() in LABELS] if path.is_dir() else []
    if labels and not holds(path, SUFFIXES):
        n = len(files_below(labels[0]))
        return f"{labels[0].name}/ holds {n:,} file(s) and no image lies beside it; fetch the images"
    return ""
