"""16,800 pairs of maps, as the full set has: the first read, later opens, peak memory, and an epoch of WRN-16-1.

python benchmarks/pairs.py [--files 16800] [--no-epoch]
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch


def generate(root, files):
    """Pairs of 24 classes in three layers, of random maps with a band for the class."""
    generator = torch.Generator().manual_seed(0)
    for number in range(files):
        code, layer = number % 24, ("early", "middle", "late")[number // 24 % 3]
        maps = torch.rand(2, 3, 32, 32, generator=generator)
        maps[:, :, code : code + 8] += 0.5
        folder = root / f"{layer}_layers"
        folder.mkdir(parents=True, exist_ok=True)
        content = {"saliency_maps": maps[0].clone(), "cross_attention_maps": maps[1].clone(), "class_id": code}
        torch.save(content, folder / f"{code:02d}_{number:05d}.pt")


def measure(root, cache, epoch):
    """Open the set in this process, and train an epoch where asked; prints what it took."""
    from learnerkit.all import fusion_learner, saliency_dls

    start = time.perf_counter()
    dls = saliency_dls(root, bs=64, cache=cache)
    print(f"opened {len(dls.source):,} pairs in {time.perf_counter() - start:.2f} s; parts {dls.split.counts}")
    if epoch:
        learn = fusion_learner(dls, "wrn_16_1", "concat")
        start = time.perf_counter()
        with learn.no_bar():
            learn.fit(1, 0.05)
        print(f"epoch of wrn_16_1: {time.perf_counter() - start:.1f} s")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=16800)
    parser.add_argument("--no-epoch", action="store_true")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        root, cache, epoch = options.measure
        measure(root, cache, epoch == "epoch")
        return
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder) / "pairs", Path(folder) / "cache"
        start = time.perf_counter()
        generate(root, options.files)
        print(f"generated {options.files:,} files in {time.perf_counter() - start:.0f} s", flush=True)
        for title, epoch in (("first read", "no"), ("later", "no" if options.no_epoch else "epoch")):
            print(f"{title}:", flush=True)
            subprocess.run(
                [sys.executable, __file__, "--measure", str(root), str(cache), epoch], check=True, env=os.environ
            )


if __name__ == "__main__":
    main()
