"""Train a classifier on pairs of saliency and attention maps that are fused before the network.

    python examples/fuse_saliency.py [DATA]

DATA: a folder of pairs (.pt, .npz, .safetensors); without it pairs are made from a classifier of handwritten digits.
"""

import sys

from learnerkit.all import *

data = sys.argv[1] if sys.argv[1:] else None

if not data:
    digits = digits_dls(bs=64, size=16)
    classifier = image_learner(digits, "simple_cnn", seed=1)
    classifier.fit_one_cycle(3, 0.05)
    make_saliency_pairs(classifier, digits, "runs/fuse_saliency/pairs", layer="middle")

dls = saliency_dls(data or "runs/fuse_saliency/pairs", bs=64, stats="data")
arch, epochs, lr = ("wrn_28_10", 100, 0.1) if data else ("wrn_10_1", 8, 0.05)
learn = fusion_learner(dls, arch, fusion="gated", cbs=Run("runs/fuse_saliency/runs"))
learn.fit_one_cycle(epochs, lr)

loss, accuracy, f1 = learn.validate()
print(f"validation: loss {loss:.4f}, accuracy {accuracy:.4f}, macro F1 {f1:.4f}")
print("weights of the maps, a channel each:", learn.model.reported())
print("report:", learn.run_folder.file("report.html"))
