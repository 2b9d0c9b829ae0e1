"""Images that are read from their files when asked for: for sets that fit neither the memory nor the disk."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from learnerkit.core.errors import DataError
from learnerkit.data.hashes import SIDE, told
from learnerkit.data.pictures import UNREADABLE, decode

TOLD_FROM = 2000  # files from which reading them shows how far it is


class FileImages:
    """Images that are decoded when asked for, with the face of a uint8 array [N,3,H,W].

    files: image files; size: (height, width) that each is brought to; resize: how, see `data.pictures.resized`.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, files: Sequence[Path], size: tuple[int, int], resize: str = "squish") -> None:
        self.files, self.size, self.resize = list(files), size, resize
        self.shape = (len(self.files), 3, *size)

    def __len__(self) -> int:
        return len(self.files)

    def subset(self, rows: np.ndarray) -> "FileImages":
        """Some of the images."""
        return FileImages([self.files[row] for row in rows], self.size, self.resize)

    def __getitem__(self, rows: int | np.ndarray) -> np.ndarray:
        if isinstance(rows, np.ndarray):
            return np.stack([self[int(row)] for row in rows])
        try:
            return decode(self.files[rows], self.size, self.resize)
        except UNREADABLE as error:
            raise DataError(f"{self.files[rows]}: {error}") from error

    def thumbnails(self, rows: np.ndarray) -> np.ndarray:
        """Small pictures of some images, uint8 [n,3,32,32]; as many files at a time as there are cores."""
        small = FileImages([self.files[row] for row in rows], (SIDE, SIDE))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            read = pool.map(small.__getitem__, range(len(small)))
            return np.stack(list(told(read, f"looking at {len(small):,} images", len(small), TOLD_FROM)))
