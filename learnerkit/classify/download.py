"""Fetch the official CIFAR archives, by checksum; without a network, say exactly what to fetch and where to put it."""

import os
import urllib.error
import urllib.request
from pathlib import Path

from learnerkit.classify.cifar import LAYOUTS
from learnerkit.core.errors import DataError
from learnerkit.core.files import cache_folder, md5_of


def fetch_cifar(name: str, url: str | None = None, md5: str | None = None) -> Path:
    """The archive of 'cifar10' or 'cifar100', downloaded once and checked.

    url, md5: where from and which checksum, for mirrors; the official ones by default.
    Raises DataError with the remedy when there is no network or the checksum differs.
    """
    layout = LAYOUTS[name]
    url, md5 = url or layout.url, md5 or layout.md5
    target = cache_folder() / Path(url).name
    remedy = (
        f"Fetch {url} on a machine that can, check its md5 {md5}, and put it at {target} (or pass the path of the "
        "archive or folder). `digits_dls()` needs no download."
    )
    if target.exists():
        if md5_of(target) == md5:
            return target
        raise DataError(f"{target}: its md5 is {md5_of(target)}, not {md5}; it is damaged. Remove it. {remedy}")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with urllib.request.urlopen(url, timeout=30) as response, partial.open("wb") as file:
            while block := response.read(1 << 20):
                file.write(block)
        if md5_of(partial) != md5:
            raise DataError(f"{url}: the download's md5 is {md5_of(partial)}, not {md5}; it was thrown away. {remedy}")
        os.replace(partial, target)
    except (urllib.error.URLError, OSError) as error:
        raise DataError(f"{name}: could not be downloaded from {url} ({error}). {remedy}") from error
    finally:
        partial.unlink(missing_ok=True)
    return target
