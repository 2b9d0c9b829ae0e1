"""Microseconds of processor that a prediction takes an image: batches of several sizes, inference mode, norms folded.

    python benchmarks/folding.py

32x32 images, channels last, one thread; the least of three passes over 512 images.
"""

import time

import torch
from torch import nn

from learnerkit.models.create import create_model
from learnerkit.models.folded import folded

MODELS = ("simple_cnn", "se_resnet", "hybrid_resnet", "resnet18", "wrn_16_1", "quicknet")
IMAGES, SIZES = 512, (64, 128, 256, 512)


def cost_us(model: nn.Module, images: torch.Tensor, bs: int = 128) -> float:
    """Of one image, in a pass over all of them in batches."""
    times = []
    for _ in range(4):
        start = time.process_time()
        for part in images.split(bs):
            model(part)
        times.append(time.process_time() - start)
    return min(times[1:]) / IMAGES * 1e6  # the first warms up


def main() -> None:
    torch.set_num_threads(1)
    images = torch.randn(IMAGES, 3, 32, 32).to(memory_format=torch.channels_last)
    for name in MODELS:
        model = create_model(name).eval().to(memory_format=torch.channels_last)
        quick = folded(model)
        with torch.no_grad():
            sizes = [cost_us(model, images, bs) for bs in SIZES]
            by_fold = cost_us(quick, images)
        with torch.inference_mode():
            inference = cost_us(model, images)
        by_size = ", ".join(f"{us:,.0f} at {bs}" for bs, us in zip(SIZES, sizes, strict=True))
        print(f"{name}: {by_size}; inference mode {inference:,.0f}; folded {by_fold:,.0f}", flush=True)


if __name__ == "__main__":
    main()
