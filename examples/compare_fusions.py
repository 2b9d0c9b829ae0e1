"""Train several fusions of saliency and attention maps, and compare them with intervals on the pairs of the test part.

    python examples/compare_fusions.py [DATA]

DATA: a folder of pairs (.pt, .npz, .safetensors); without it pairs are made from a classifier of handwritten digits.
`learnerkit sweep saliency-wrn --data DATA --grid fusion=all` does so in processes, and goes on where it was stopped.
"""

import sys

from learnerkit.all import *

data = sys.argv[1] if sys.argv[1:] else None

if not data:
    digits = digits_dls(bs=64, size=16)
    classifier = image_learner(digits, "simple_cnn", seed=1)
    classifier.fit_one_cycle(3, 0.05)
    make_saliency_pairs(classifier, digits, "runs/compare_fusions/pairs", layer="middle")

dls = saliency_dls(data or "runs/compare_fusions/pairs", bs=64, stats="data")
arch, epochs, lr = ("wrn_28_10", 100, 0.1) if data else ("wrn_10_1", 5, 0.05)
for fusion in ("concat", "add", "saliency_only"):
    learn = fusion_learner(dls, arch, fusion=fusion, cbs=Run("runs/compare_fusions/runs", report=False))
    learn.fit_one_cycle(epochs, lr)
    evaluate_run(learn.run_folder.path)

comparison = compare_runs("runs/compare_fusions/runs")
for row in comparison.rows:
    print(f"{row['variant']:<14} valid {row['valid_accuracy']:.3f}, test {row['test_accuracy']:.3f}", end="")
    interval = "" if row["ci_low"] is None else f" [{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]"
    print(f", behind the first {row['difference']:+.3f}{interval}" if interval else "")
print("comparison:", write_comparison(comparison))
