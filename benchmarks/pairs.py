"""A set of pairs of maps: read and packed, opened again, and passed through, beside a loop over the files by hand.

python benchmarks/pairs.py [--rounds 5]
"""

import sys
import time
from pathlib import Path

from kit.command import main
from kit.question import Contender, Setting, Table, Target, ratio

FILES, BS = (120, 2000, 16_800), 64


def generate(root, files):
    """Pairs of 24 classes in three layers, of random maps with a band for the class."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for number in range(files):
        code, layer = number % 24, ("early", "middle", "late")[number // 24 % 3]
        maps = torch.rand(2, 3, 32, 32, generator=generator)
        maps[:, :, code : code + 8] += 0.5
        folder = root / f"{layer}_layers"
        folder.mkdir(parents=True, exist_ok=True)
        content = {"saliency_maps": maps[0].clone(), "cross_attention_maps": maps[1].clone(), "class_id": code}
        torch.save(content, folder / f"{code:02d}_{number:05d}.pt")


def prepare(setting: Setting):
    generate(setting.folder / "pairs", setting.of(*FILES))


def files_of(setting: Setting):
    return sorted((setting.folder / "pairs").rglob("*.pt"))


def held(files):
    """Maps [N,2,C,H,W] and classes [N] of files, read one after another."""
    import torch

    rows = [torch.load(file, weights_only=True) for file in files]
    maps = torch.stack([torch.stack([row["saliency_maps"], row["cross_attention_maps"]]) for row in rows])
    return maps, torch.tensor([row["class_id"] for row in rows])


def seconds_of(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def by_hand(setting: Setting):
    import torch

    files, packed = files_of(setting), setting.folder / "packed.pt"
    return lambda: seconds_of(lambda: torch.save(held(files), packed))


def first(setting: Setting):
    import tempfile

    from learnerkit.all import saliency_dls

    def run():
        with tempfile.TemporaryDirectory(dir=setting.folder) as cache:
            return seconds_of(lambda: saliency_dls(setting.folder / "pairs", bs=BS, cache=cache))

    return run


def again(setting: Setting):
    from learnerkit.all import saliency_dls

    cache = setting.folder / "cache"
    saliency_dls(setting.folder / "pairs", bs=BS, cache=cache)
    return lambda: seconds_of(lambda: saliency_dls(setting.folder / "pairs", bs=BS, cache=cache))


def listed(setting: Setting):
    """The least that a later open can do: each file's size and time."""
    return lambda: seconds_of(lambda: [file.stat() for file in Path(setting.folder / "pairs").rglob("*.pt")])


def passed(loader, taken):
    """Pairs a second of a pass."""
    start, seen = time.perf_counter(), 0
    for batch in loader:
        seen += taken(batch)
    return seen / (time.perf_counter() - start)


def by_workers(setting: Setting):
    import torch
    from torch.utils.data import DataLoader, Dataset

    files = files_of(setting)[: setting.of(120, 2000, 8000)]

    class Pairs(Dataset):
        def __len__(self):
            return len(files)

        def __getitem__(self, row):
            found = torch.load(files[row], weights_only=True)
            return found["saliency_maps"], found["cross_attention_maps"], found["class_id"]

    loader = DataLoader(Pairs(), BS, shuffle=True, num_workers=2, persistent_workers=True)
    return lambda: passed(loader, lambda batch: len(batch[0]))


def tensors(setting: Setting):
    import torch

    maps, codes = held(files_of(setting)[: setting.of(120, 2000, 8000)])
    batches = lambda: ((maps[rows], codes[rows]) for rows in torch.randperm(len(maps)).split(BS))  # noqa: E731
    return lambda: passed(batches(), lambda batch: len(batch[1]))


def learnerkit(setting: Setting):
    from learnerkit.all import saliency_dls

    dls = saliency_dls(setting.folder / "pairs", bs=BS, cache=setting.folder / "cache")
    return lambda: passed(dls.train, lambda batch: len(batch[-1]))


OPENED = "learnerkit, first: checked, packed"
TABLES = {
    "opening": Table(
        title="Pairs of maps: opening",
        asks="How long until 16,800 files of two maps of 3x32x32 are ready (412 MB packed), the first time and later?",
        unit="s",
        contenders={
            "torch.load of each file, one torch.save": Contender(by_hand, "one process, nothing checked"),
            OPENED: Contender(first, "two processes"),
            "sizes and times of the files alone": Contender(listed, "the least of a later open"),
            "learnerkit, later": Contender(again),
        },
        base="torch.load of each file, one torch.save",
        rounds=3,
        prepare=prepare,
        warm=False,
    ),
    "passing": Table(
        title="Pairs of maps: an epoch of the loader",
        asks="How many pairs a second does a shuffled pass give, batches of 64, without a model?",
        unit="pairs/s",
        contenders={
            "a file a pair, 2 workers": Contender(by_workers),
            "bare tensors, indexed": Contender(tensors),
            "learnerkit": Contender(learnerkit, "from the mapped file"),
        },
        base="bare tensors, indexed",
        more=True,
        quick=False,
        prepare=prepare,
        targets=[
            Target("learnerkit, in parts of bare tensors", ratio("learnerkit", "bare tensors, indexed"), 0.9, "least")
        ],
    ),
}

if __name__ == "__main__":
    sys.exit(main("pairs"))
