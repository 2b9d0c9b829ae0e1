"""A plain-PyTorch twin beside learnerkit: same model, data, schedule and augmentation, so the same accuracy.

    python benchmarks/studies/twin.py DATA [--epochs 5] [--seeds 1,2,3]
    python benchmarks/studies/twin.py --tiny

DATA is the official CIFAR-10 python folder; --tiny takes an epoch on a folder of noise, for the machinery alone. Both
train on every training image and measure the last weights on the test part; each seed runs both, one after the other.
Prints a line a run, then the means and spreads.
"""

import argparse
import json
import pickle
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from learnerkit.all import cifar_dls, create_model, image_learner
from learnerkit.classify.cifar import read_cifar

LR, WD, SMOOTHING, CLIP, BS = 0.05, 1e-4, 0.1, 1.0, 128
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Images(Dataset):
    """Images and labels with a transform an image."""

    def __init__(self, images, labels, transform):
        self.images, self.labels, self.transform = torch.as_tensor(images), labels, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return self.transform(self.images[row]), int(self.labels[row])


def plain(path, epochs, seed):
    """The twin: a training loop as a script would have it."""
    torch.manual_seed(seed)
    source = read_cifar(Path(path))
    to_float = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    augment = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), *to_float])
    train, test = source.parts == "train", source.parts == "test"
    train_set = Images(source.images[train], source.labels[train], augment)
    loader = DataLoader(train_set, BS, shuffle=True, drop_last=True)
    test_loader = DataLoader(Images(source.images[test], source.labels[test], v2.Compose(to_float)), BS)
    model = create_model("se_resnet", n_out=10, dropout=0.3).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), LR, momentum=0.9, nesterov=True, weight_decay=WD)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        LR,
        total_steps=epochs * len(loader),
        pct_start=0.25,
        div_factor=25,
        final_div_factor=4000,
        cycle_momentum=False,
    )
    loss_func = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    for _ in range(epochs):
        model.train()
        for images, labels in loader:
            loss_func(model(images), labels).backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in test_loader)
    return right / len(test_loader.dataset)


def ours(path, epochs, seed):
    """The same with learnerkit."""
    dls = cifar_dls(path, bs=BS, split="test")
    learn = image_learner(
        dls, "se_resnet", lr=LR, wd=WD, label_smoothing=SMOOTHING, clip=CLIP, seed=seed, model_args={"dropout": 0.3}
    )
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(epochs, LR)
    return learn.recorder.values[-1][2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    if arguments.tiny:
        with tempfile.TemporaryDirectory() as folder:
            return compare(write_noise(Path(folder) / "cifar-10-batches-py"), 1, (1, 2))
    if arguments.data is None:
        parser.error("DATA, the official CIFAR-10 python folder, or --tiny")
    compare(arguments.data, arguments.epochs, tuple(map(int, arguments.seeds.split(","))))


def write_noise(folder, rows=40):
    """A CIFAR-10 folder of noise in the official layout."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for file in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        batch = {b"data": rng.integers(0, 256, (rows, 3072), dtype=np.uint8), b"labels": [n % 10 for n in range(rows)]}
        (folder / file).write_bytes(pickle.dumps(batch, protocol=2))
    names = {b"label_names": [b"class%d" % n for n in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(names, protocol=2))
    return folder


def compare(data, epochs, seeds):
    """Both with each seed, one after the other."""
    accuracies = {"plain PyTorch": [], "learnerkit": []}
    for seed in seeds:
        for name, run in (("plain PyTorch", plain), ("learnerkit", ours)):
            start = time.time()
            accuracies[name].append(run(data, epochs, seed))
            row = {"seed": seed, "who": name, "accuracy": accuracies[name][-1], "seconds": round(time.time() - start)}
            print(json.dumps(row), flush=True)
    for name, values in accuracies.items():
        print(f"{name}: mean {np.mean(values):.4f}, std {np.std(values, ddof=1):.4f}, n {len(values)}")


if __name__ == "__main__":
    main()
