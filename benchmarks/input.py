"""Images a second of ready float batches: the resident loader beside fastai and torchvision's per-image pipeline.

    python benchmarks/input.py [--rounds 5]

32x32 uint8 images in memory, batches of 512; crop with padding 4, flip, normalise, and with `ra` RandAugment(2, 9).
Every contender draws for each image by itself. They take turns; medians are printed.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.transforms import IndexSplitter
from fastai.vision.augment import Flip, RandomCrop
from fastai.vision.core import PILImage
from fastai.vision.data import ImageBlock
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from learnerkit.all import array_dls
from learnerkit.classify.cifar import CIFAR_STATS

BS = 512
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (4096, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(4096) % 10


class PerImage(Dataset):
    """torchvision transforms on one PIL image after another."""

    def __init__(self, randaugment):
        extra = [v2.RandAugment(2, 9)] if randaugment else []
        to_float = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*CIFAR_STATS)]
        self.transform = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), *extra, *to_float])
        self.images = [PILImage.create(image) for image in IMAGES]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return self.transform(self.images[row]), int(LABELS[row])


def ours(randaugment):
    split = (0.98, 0.01, 0.01)
    extra = {"randaugment": (2, 9)} if randaugment else {}
    dls = array_dls(IMAGES, LABELS, bs=BS, keeps=("mirror", "shift"), split=split, crop=4, **extra)
    return dls.train


def torchvision_two_workers(randaugment):
    return DataLoader(PerImage(randaugment), BS, shuffle=True, num_workers=2, persistent_workers=True)


def fastai_arrays(_):
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_x=lambda row: IMAGES[row],
        get_y=lambda row: int(LABELS[row]),
        splitter=IndexSplitter(range(BS)),
        item_tfms=RandomCrop(32),
        batch_tfms=Flip(),
    )
    return block.dataloaders(list(range(len(IMAGES))), bs=BS, num_workers=0).train


def throughput(loader):
    start, seen = time.perf_counter(), 0
    for images, _ in loader:
        seen += len(images)
    return seen / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    contenders = {
        "fastai from arrays, w0": fastai_arrays(False),
        "torchvision per image, w2": torchvision_two_workers(False),
        "learnerkit": ours(False),
        "torchvision per image, w2, ra": torchvision_two_workers(True),
        "learnerkit, ra": ours(True),
    }
    rates = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, loader in contenders.items():
            rate = throughput(loader)
            if number:
                rates[name].append(rate)
    middle = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(f"{name:<32} {middle[name]:9,.0f} images/s ({min(values):,.0f}-{max(values):,.0f})")
    plain, augmented = middle["learnerkit"], middle["learnerkit, ra"]
    print(f"base over fastai: {plain / middle['fastai from arrays, w0']:.1f} times")
    print(f"ra over torchvision, 2 workers: {augmented / middle['torchvision per image, w2, ra']:.1f} times")


if __name__ == "__main__":
    main()
