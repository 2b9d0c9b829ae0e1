"""What a run happened on: versions, device, threads, command."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

PACKAGES = ("learnerkit", "fastai", "torch", "torchvision", "numpy", "scikit-learn", "safetensors")


def versions() -> dict[str, str]:
    """Installed versions of Python and of the packages that decide a result; 'missing' where one is not installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, device, thread count and command line of this process."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "versions": versions(),
        "device": {"type": device.type, "name": name, "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "platform": platform.platform(),
        "command": " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]),
    }
