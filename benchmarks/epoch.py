"""Images a second of an epoch with full augmentation: bare PyTorch in both layouts, fastai, Lightning, learnerkit.

python benchmarks/epoch.py [--rounds 5]

Crop with padding 4, flip, RandAugment(2, 9), CutMix of every batch, label smoothing .1, gradients clipped at 1, SGD
with Nesterov's momentum, batches of 128 images of 32x32.
"""

import sys
import time
from functools import partial

from input import STATS, arrays
from kit.command import main
from kit.question import Contender, Setting, Table, Target, of_best

RATE, MOMENTUM, DECAY = 0.05, 0.9, 5e-4
SMOOTHING, CLIP = 0.1, 1.0
ONE_DRAW = "one RandAugment for the whole batch: another distribution"


def sizes(setting: Setting):
    """Images of an epoch, and of a batch."""
    return setting.of((64, 32), (256, 128), (512, 128))


def model_of(arch):
    import torch

    from learnerkit.models.create import create_model

    torch.manual_seed(0)
    return create_model(arch, 3, 10, dropout=0.3)


def loader_of(setting: Setting):
    """PIL images one after another in two workers, then CutMix of the batch."""
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision.transforms import v2

    n, bs = sizes(setting)
    images, labels = arrays(n)
    to_float = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*STATS)]
    randomly = [v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), v2.RandAugment(2, 9)]
    transform, mix = v2.Compose([*randomly, *to_float]), v2.CutMix(num_classes=10)

    class Images(Dataset):
        held = [Image.fromarray(image) for image in images]

        def __len__(self):
            return n

        def __getitem__(self, row):
            return transform(self.held[row]), int(labels[row])

    loader = DataLoader(Images(), bs, shuffle=True, num_workers=2, persistent_workers=True, drop_last=True)
    return loader, mix


class Tensors:
    """Batches of a set in memory: crop and flip of each image, the rest by torchvision on the batch."""

    def __init__(self, setting: Setting):
        import torch
        from input import unfolded
        from torchvision.transforms import v2

        self.n, self.bs = sizes(setting)
        images, labels = arrays(self.n)
        held = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        self.cut, self.labels = unfolded("base", held), torch.from_numpy(labels)
        self.randaugment, self.mix = v2.RandAugment(2, 9), v2.CutMix(num_classes=10)
        mean, std = (torch.tensor(values)[:, None, None] for values in STATS)
        self.back = lambda x: x.mul(std).add_(mean).mul_(255).round_().clamp_(0, 255).to(torch.uint8)
        self.ready = lambda x: x.float().div_(255).sub_(mean).div_(std)

    def __iter__(self):
        import torch

        for rows in torch.randperm(self.n).split(self.bs):
            x = self.ready(self.randaugment(self.back(self.cut(rows))))
            yield self.mix(x, self.labels[rows])


def bare(arch, channels_last, tensors, setting: Setting):
    import torch
    from torch import nn

    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = model_of(arch).to(memory_format=layout).train()
    opt = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, nesterov=True, weight_decay=DECAY, fused=True)
    if tensors:
        batches = Tensors(setting)
    else:
        loader, mix = loader_of(setting)
        batches = None

    def run():
        seen, start = 0, time.perf_counter()
        for x, y in batches if batches is not None else (mix(x, y) for x, y in loader):
            loss = nn.functional.cross_entropy(model(x.to(memory_format=layout)), y, label_smoothing=SMOOTHING)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP, foreach=True)
            opt.step()
            opt.zero_grad()
            seen += len(x)
        return seen / (time.perf_counter() - start)

    return run


def laps_of(callback):
    """A callback of fastai's that takes the seconds of the training part of an epoch."""

    class Laps(callback):
        order = -90

        def before_train(self):
            self.began = time.perf_counter()

        def after_train(self):
            self.seconds = time.perf_counter() - self.began

    return Laps()


def fastai(arch, setting: Setting):
    import torch
    from fastai.vision.all import (
        Callback,
        CategoryBlock,
        CutMix,
        DataBlock,
        Flip,
        GradientClip,
        ImageBlock,
        IndexSplitter,
        LabelSmoothingCrossEntropy,
        Learner,
        Normalize,
        OptimWrapper,
        PILImage,
        RandomCrop,
        Transform,
    )
    from torchvision.transforms import v2

    n, bs = sizes(setting)
    images, labels = arrays(n + 10)
    randaugment = v2.RandAugment(2, 9)

    class Randomly(Transform):
        split_idx, order = 0, 2

        def encodes(self, x: PILImage):
            return randaugment(x)

    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_x=lambda row: images[row],
        get_y=lambda row: int(labels[row]),
        splitter=IndexSplitter(range(10)),
        item_tfms=[RandomCrop(32), Randomly()],
        batch_tfms=[Flip(), Normalize.from_stats(*STATS)],
    )
    dls = block.dataloaders(list(range(n + 10)), bs=bs, num_workers=0, device=torch.device("cpu"))
    opt_func = partial(OptimWrapper, opt=torch.optim.SGD, momentum=MOMENTUM, nesterov=True, fused=True)
    laps = laps_of(Callback)
    cbs = [CutMix(1.0), GradientClip(CLIP), laps]
    learn = Learner(
        dls,
        model_of(arch),
        LabelSmoothingCrossEntropy(SMOOTHING),
        opt_func=opt_func,
        wd=DECAY,
        cbs=cbs,
        moms=(MOMENTUM,) * 3,
    )
    learn.logger = lambda row: None

    def run():
        with learn.no_bar():
            learn.fit(1, RATE)
        return n / laps.seconds

    return run


def lightning(arch, setting: Setting):
    import logging

    import pytorch_lightning as pl
    import torch
    from torch import nn

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    loader, mix = loader_of(setting)
    n, _ = sizes(setting)

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = model_of(arch)

        def on_train_epoch_start(self):
            self.began = time.perf_counter()

        def on_train_epoch_end(self):
            self.seconds = time.perf_counter() - self.began

        def training_step(self, batch, _):
            x, y = mix(*batch)
            return nn.functional.cross_entropy(self.model(x), y, label_smoothing=SMOOTHING)

        def on_before_optimizer_step(self, _):  # Lightning's own clipping refuses a fused optimizer
            nn.utils.clip_grad_norm_(self.parameters(), CLIP)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), RATE, MOMENTUM, nesterov=True, weight_decay=DECAY, fused=True)

    module = Module()
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)

    def run():
        trainer = pl.Trainer(max_epochs=2, accelerator="cpu", **quiet)  # in the first its workers are started
        trainer.fit(module, loader)
        return n / module.seconds

    return run


def learnerkit(arch, channels_last, setting: Setting):
    from learnerkit.all import Callback, CutMix, array_dls, image_learner

    n, bs = sizes(setting)
    images, labels = arrays(round(n / 0.9))
    dls = array_dls(images, labels, bs=bs, crop=4, flip=True, randaugment=(2, 9), split=(0.9, 0.05, 0.05))
    laps = laps_of(Callback)
    given = {"label_smoothing": SMOOTHING, "clip": CLIP, "momentum": MOMENTUM, "wd": DECAY}
    learn = image_learner(
        dls, arch, model_args={"dropout": 0.3}, channels_last=channels_last, cbs=[CutMix(p=1.0), laps], **given
    )
    learn.logger = lambda row: None

    def run():
        with learn.no_bar():
            learn.fit(1, RATE)
        return len(dls.train) * bs / laps.seconds

    return run


def table(arch, all_of_them):
    fair = {"bare loop, channels last, 2 workers": Contender(partial(bare, arch, True, False))}
    bound = {"bare loop, channels last, tensors": Contender(partial(bare, arch, True, True), ONE_DRAW)}
    ours = {"learnerkit": Contender(partial(learnerkit, arch, True), "channels last, its default")}
    further = {
        "bare loop, 2 workers": Contender(partial(bare, arch, False, False)),
        "fastai": Contender(partial(fastai, arch), "its RandomCrop does not pad"),
        "Lightning, 2 workers": Contender(partial(lightning, arch)),
        "learnerkit, not channels last": Contender(partial(learnerkit, arch, False)),
    }
    return Table(
        title=f"Epoch of {arch}",
        asks=f"How fast is training of {arch} with crop, flip, RandAugment(2, 9), CutMix, smoothing and clipping, "
        "batches of 128 images of 32x32, fused SGD? The model is one module, which all import from learnerkit.",
        unit="images/s",
        contenders=fair | bound | ours | (further if all_of_them else {}),
        base="bare loop, channels last, 2 workers",
        more=True,
        targets=[
            Target(
                "learnerkit, in parts of the best bare loop of the same layout and draws",
                of_best("learnerkit", fair, True),
                1.1,
                "least",
            ),
            Target(
                "learnerkit, in parts of the best bare loop of any draws",
                of_best("learnerkit", fair | bound, True),
                1.1,
                "least",
            ),
        ],
        quick=not all_of_them,
    )


TABLES = {"se_resnet": table("se_resnet", True), "hybrid_resnet": table("hybrid_resnet", False)}

if __name__ == "__main__":
    sys.exit(main("epoch"))
