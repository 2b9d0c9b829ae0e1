"""Images a second of ready float batches: learnerkit's resident loader beside the pipelines that people use.

python benchmarks/input.py [--rounds 5]

32x32 uint8 images in memory, batches of 512; crop with padding 4, flip, normalise, then RandAugment(2, 9), then CutMix.
"""

import sys
import time
from functools import partial

from kit.command import main
from kit.question import Contender, Setting, Table, Target, of_best

BS, STATS = 512, ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616))
ONE_DRAW = "one draw for the whole batch: another distribution, a bound on speed"
KORNIA = "draws crop and flip for each image, the operations of RandAugment once a batch"


def arrays(n):
    """Images [n,32,32,3] and their classes."""
    import numpy as np

    images = np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    return images, np.arange(n) % 10


def throughput(batches):
    """Images a second of one pass; what a contender does with a batch is in its iterator."""
    start, seen = time.perf_counter(), 0
    for images, _ in batches:
        seen += len(images)
    return seen / (time.perf_counter() - start)


def learnerkit(kind, setting: Setting):
    import torch

    from learnerkit.all import array_dls
    from learnerkit.callbacks.mix import CutMix
    from learnerkit.ops.mix import beta_sample

    n = setting.of(1024, 10240, 20480)
    images, labels = arrays(round(n / 0.98))
    extra = {} if kind == "base" else {"randaugment": (2, 9)}
    dls = array_dls(images, labels, bs=BS, flip=True, crop=4, split=(0.98, 0.01, 0.01), **extra)
    cutmix = CutMix(p=1.0)

    def mixed(x, y):
        order = torch.randperm(len(x))
        (x,), lam = cutmix.mix([x], [x[order]], beta_sample(1.0))
        return x, (y, y[order], lam)

    return lambda: throughput((mixed(x, y) for x, y in dls.train) if kind == "mix" else dls.train)


def per_image(kind, randaugment, setting: Setting):
    """PIL images one after another in two workers, as a script of torchvision or timm has it."""
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision.transforms import v2

    n = setting.of(1024, 2048, 4096)
    images, labels = arrays(n)
    extra = [] if kind == "base" else [randaugment()]
    to_float = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*STATS)]
    transform = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), *extra, *to_float])

    class Images(Dataset):
        held = [Image.fromarray(image) for image in images]

        def __len__(self):
            return n

        def __getitem__(self, row):
            return transform(self.held[row]), int(labels[row])

    mix = v2.CutMix(num_classes=10) if kind == "mix" else None
    loader = DataLoader(Images(), BS, shuffle=True, num_workers=2, persistent_workers=True, drop_last=True)
    return lambda: throughput((mix(x, y) for x, y in loader) if mix else loader)


def of_torchvision():
    from torchvision.transforms import v2

    return v2.RandAugment(2, 9)


def of_timm():
    from timm.data.auto_augment import rand_augment_transform

    return rand_augment_transform("rand-m9-n2-p1-mstd0", {"img_mean": (125, 123, 114)})


def resident(augment, kind, setting: Setting):
    """A loop over a tensor that is in memory, each batch indexed and augmented whole, as the fast scripts have it."""
    import torch
    from torchvision.transforms import v2

    n = setting.of(1024, 10240, 20480)
    images, labels = arrays(n)
    held, targets = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)
    changed = augment(kind, held)
    mix = v2.CutMix(num_classes=10) if kind == "mix" else None

    def batches():
        order = torch.randperm(n)
        for rows in order.split(BS):
            x, y = changed(rows), targets[rows]
            yield mix(x, y) if mix else (x, y)

    return lambda: throughput(batches())


def unfolded(kind, held):
    """Crop and flip of each image by itself, by one index into windows of the padded set."""
    import torch

    windows = torch.nn.functional.pad(held, (4, 4, 4, 4)).unfold(2, 32, 1).unfold(3, 32, 1)
    mean, std = (torch.tensor(values)[:, None, None] for values in STATS)
    scale, shift = 1 / (255 * std), mean / std

    def changed(rows):
        dy, dx = torch.randint(0, 9, (2, len(rows)))
        x = windows[rows, :, dy, dx]
        flipped = torch.rand(len(rows)) < 0.5
        x[flipped] = x[flipped].flip(-1)
        return x.float().mul_(scale).sub_(shift)

    return changed


def one_draw(kind, held):
    """torchvision's transforms on whole batches."""
    import torch
    from torchvision.transforms import v2

    extra = [] if kind == "base" else [v2.RandAugment(2, 9)]
    to_float = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(*STATS)]
    transform = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), *extra, *to_float])
    return lambda rows: transform(held[rows])


def by_kornia(kind, held):
    import torch
    from kornia.augmentation import AugmentationSequential, Normalize, RandomCrop, RandomHorizontalFlip
    from kornia.augmentation.auto import RandAugment

    extra = [] if kind == "base" else [RandAugment(2, 9)]
    steps = [RandomCrop((32, 32), padding=4), RandomHorizontalFlip(), *extra, Normalize(*map(torch.tensor, STATS))]
    transform = AugmentationSequential(*steps, data_keys=["input"])
    return lambda rows: transform(held[rows].float().div_(255))


def fastai(kind, setting: Setting):
    from fastai.vision.all import CategoryBlock, DataBlock, Flip, ImageBlock, IndexSplitter, Normalize, RandomCrop

    n = setting.of(1024, 1024, 2048)
    images, labels = arrays(n)
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_x=lambda row: images[row],
        get_y=lambda row: int(labels[row]),
        splitter=IndexSplitter(range(10)),
        item_tfms=RandomCrop(32),
        batch_tfms=[Flip(), Normalize.from_stats(*STATS)],
    )
    dl = block.dataloaders(list(range(n)), bs=BS, num_workers=0).train
    return lambda: throughput(dl)


def table(kind, title, asks, quick):
    fair = {
        "torchvision on each image, 2 workers": Contender(partial(per_image, kind, of_torchvision)),
        "timm on each image, 2 workers": Contender(partial(per_image, kind, of_timm)),
    }
    if kind == "base":
        del fair["timm on each image, 2 workers"]  # whose crop and flip are torchvision's
        fair["fastai from arrays"] = Contender(partial(fastai, kind), "its RandomCrop does not pad")
        fair["bare tensors, windows indexed"] = Contender(partial(resident, unfolded, kind))
    others = {
        "kornia on batches": Contender(partial(resident, by_kornia, kind), KORNIA if kind != "base" else ""),
        "torchvision on batches": Contender(partial(resident, one_draw, kind), ONE_DRAW),
    }
    ours = {"learnerkit": Contender(partial(learnerkit, kind))}
    each = "of the fastest that draws for each image"
    return Table(
        title=title,
        asks=asks,
        unit="images/s",
        contenders=fair | others | ours,
        base="learnerkit",
        more=True,
        targets=[
            Target(
                "learnerkit, in parts of the fastest contender",
                of_best("learnerkit", {**fair, **others}, True),
                0.9,
                "least",
            ),
            Target(f"learnerkit, in parts {each}", of_best("learnerkit", fair, True), 0.9, "least"),
        ],
        quick=quick,
    )


SETTING = "32x32 images in memory, batches of 512"
TABLES = {
    "base": table(
        "base",
        "Input: crop and flip",
        f"How fast are float batches ready? {SETTING}, crop with padding 4, flip, normalised.",
        True,
    ),
    "ra": table("ra", "Input: with RandAugment", f"{SETTING}; crop, flip, RandAugment(2, 9), normalised.", True),
    "mix": table(
        "mix", "Input: with RandAugment and CutMix", f"{SETTING}; as before, then CutMix of the batch.", False
    ),
}

if __name__ == "__main__":
    sys.exit(main("input"))
