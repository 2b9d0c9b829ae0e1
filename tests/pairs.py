"""Small sets of pairs of maps that the tests share."""

import numpy as np
import torch

from learnerkit.fuse.dls import pair_dls
from learnerkit.fuse.relations import RELATIONS
from learnerkit.fuse.source import PairSource

LAYERS = ("early", "middle", "late")


def content(code=0, seed=0, shape=(3, 32, 32), **changes):
    """What one good file holds: a bright band in the saliency map at the place of the class."""
    generator = torch.Generator().manual_seed(1000 * code + seed)
    saliency, attention = torch.rand(2, *shape, generator=generator)
    saliency[:, 4 * code : 4 * code + 4] += 1
    return {
        "saliency_maps": saliency,
        "cross_attention_maps": attention,
        "class_id": code,
        "class_name": RELATIONS[code],
        "timestep": seed,
        **changes,
    }


def write_pairs(root, n=8, classes=3, layers=("",), folders=True, **changes):
    """Files ROOT/{layer}_layers/CLASS/0001.pt, without the folders where not asked for; returns their paths.

    changes: of what the files hold, see `content`.
    """
    files = []
    for number, layer in enumerate(layers):
        for code in range(classes):
            folder = root / f"{layer}_layers" if layer else root
            folder = folder / RELATIONS[code] if folders else folder
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(n):
                files.append(folder / (f"{i:04d}.pt" if folders else f"c{code}_{i:04d}.pt"))
                torch.save(content(code, i + 100 * number, **changes), files[-1])
    return files


def pair_source(n=96, size=8, n_classes=3, seed=0):
    """Pairs in memory whose class is the brightness of a band in both maps."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    maps = rng.normal(0, 0.3, (2, n, 3, size, size)).astype(np.float32)
    for row, code in enumerate(labels):
        maps[:, row, :, 2 * code : 2 * code + 2] += 1.5
    ids = [f"pair{row}" for row in range(n)]
    vocab = [f"c{code}" for code in range(n_classes)]
    return PairSource("pairs", maps, labels, vocab, ids, np.full(n, ""), np.arange(n), f"seed{seed}")


def xor_source(n=400, size=8, seed=0):
    """The class is whether the signs of the two maps differ: neither map alone says anything about it."""
    rng = np.random.default_rng(seed)
    signs = rng.integers(0, 2, (2, n))
    signs[:, :4] = [[0, 0, 1, 1], [0, 1, 0, 1]]
    maps = (signs * 2 - 1)[:, :, None, None, None] + rng.normal(0, 0.5, (2, n, 3, size, size))
    ids = [f"pair{row}" for row in range(n)]
    labels = (signs[0] ^ signs[1]).astype(np.int64)
    groups = np.arange(n)
    return PairSource("xor", maps.astype(np.float32), labels, ["same", "differ"], ids, np.full(n, ""), groups, "xor")


def make_pair_dls(bs=16, **kwargs):
    return pair_dls(pair_source(), bs=bs, **kwargs)
