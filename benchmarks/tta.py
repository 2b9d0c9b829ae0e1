"""Seconds of test-time augmentation with 16 views: learnerkit and fastai beside a bare loop over the same views.

python benchmarks/tta.py [--rounds 5]
"""

import sys
import time

from epoch import model_of
from input import STATS, arrays
from kit.command import main
from kit.question import Contender, Setting, Table, Target, ratio

ARCH, BS, VIEWS = "se_resnet", 32, 16
# learnerkit's first sixteen, each shift plain and mirrored
SHIFTS = [(0, 0), (-1, -1), (1, 1), (-1, 1), (1, -1), (0, -1), (0, 1), (-1, 0)]


def images_of(setting: Setting):
    return arrays(setting.of(32, 64, 128))


def found(seconds, probabilities):
    """Seconds, and the mean of the greatest probabilities, which shows that the same was computed."""
    return {"figure": seconds, "top": f"{float(probabilities.max(dim=1).values.mean()):.5f}"}


def bare(setting: Setting):
    import torch

    images, _ = images_of(setting)
    held = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    mean, std = (torch.tensor(values)[:, None, None] for values in STATS)
    model = model_of(ARCH).to(memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def run():
        start, parts = time.perf_counter(), []
        for batch in held.split(BS):
            x, total = batch.float().div_(255).sub_(mean).div_(std), 0.0
            for flipped in (x, x.flip(-1)):
                padded = torch.nn.functional.pad(flipped, (1, 1, 1, 1), mode="reflect")
                for dy, dx in SHIFTS:
                    view = padded[..., 1 - dy : 33 - dy, 1 - dx : 33 - dx]
                    total = total + model(view).softmax(dim=1)
            parts.append(total / VIEWS)
        return found(time.perf_counter() - start, torch.cat(parts))

    return run


def learnerkit(setting: Setting):
    from learnerkit.all import TTA, image_learner
    from learnerkit.classify.arrays import array_source
    from learnerkit.classify.loaders import evaluation_dls
    from learnerkit.data.loaders import whole

    source = array_source(*images_of(setting), None, "refuse")
    source.stats, source.keeps = STATS, ("mirror", "shift")
    dls = evaluation_dls(source, whole(source), BS)
    learn = image_learner(dls, ARCH, model_args={"dropout": 0.3}, metrics=[])
    learn.model.load_state_dict(model_of(ARCH).state_dict())

    def run():
        with learn.no_bar():
            start = time.perf_counter()
            probabilities, _ = learn.get_preds(cbs=TTA(VIEWS))
            return found(time.perf_counter() - start, probabilities)

    return run


def fastai(setting: Setting):
    from fastai.vision.all import (
        CategoryBlock,
        CrossEntropyLossFlat,
        DataBlock,
        Flip,
        ImageBlock,
        IndexSplitter,
        Learner,
        Normalize,
        RandomCrop,
    )

    images, labels = images_of(setting)
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_x=lambda row: images[row % len(images)],
        get_y=lambda row: int(labels[row % len(images)]),
        splitter=IndexSplitter(range(len(images))),
        item_tfms=RandomCrop(32),
        batch_tfms=[Flip(), Normalize.from_stats(*STATS)],
    )
    dls = block.dataloaders(list(range(2 * len(images))), bs=BS, num_workers=0)
    learn = Learner(dls, model_of(ARCH), CrossEntropyLossFlat())

    def run():
        with learn.no_bar():
            start = time.perf_counter()
            probabilities, _ = learn.tta(n=VIEWS - 1)
            return found(time.perf_counter() - start, probabilities)

    return run


TABLES = {
    "tta": Table(
        title="Sixteen views",
        asks="How long does the mean over 16 fixed views take (8 shifts, plain and mirrored) of 128 images of 32x32 by "
        "se_resnet, batches of 32? The mean of the greatest probabilities shows that the same was computed.",
        unit="s",
        contenders={
            "bare loop over the same views": Contender(bare),
            "fastai `learn.tta(n=15)`": Contender(fastai, "15 random draws and the plain image, not channels last"),
            "learnerkit `TTA(16)`": Contender(learnerkit),
        },
        base="bare loop over the same views",
        targets=[
            Target(
                "learnerkit, in parts of the bare loop",
                ratio("learnerkit `TTA(16)`", "bare loop over the same views"),
                1.05,
            )
        ],
        columns={"mean of the greatest": "top"},
    )
}

if __name__ == "__main__":
    sys.exit(main("tta"))
