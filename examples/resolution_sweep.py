"""Train two models at two sizes of the images, and set accuracy beside latency and multiply-adds.

    python examples/resolution_sweep.py [DATA]

DATA: a folder of class folders; handwritten digits without it. `learnerkit sweep resolution-sweep --data DATA` does so
with 13 models at five sizes, each training in a process of its own.
"""

import sys

import matplotlib.pyplot as plt
import pandas as pd

from learnerkit.all import *

data = sys.argv[1] if sys.argv[1:] else None

archs = ["resnet18_imagenet", "mobilenet_v3_small"] if data else ["tiny_cnn", "simple_cnn"]
sizes, epochs = ([64, 96], 50) if data else ([8, 16], 5)
rows = []
for arch in archs:
    for size in sizes:
        dls = folder_dls(data, size=size, bs=64) if data else digits_dls(size=size, bs=64)
        learn = image_learner(dls, arch, opt="adamw", wd=1e-2, cbs=Run("runs/resolution_sweep", report=False))
        learn.fit_one_cycle(epochs, 3e-3)
        (cost,) = profile_model(learn.model, size)
        facts = {key: cost[key] for key in ("latency_ms", "multiply_adds", "parameters")}
        rows.append({"model": arch, "size": size, "accuracy": learn.validate()[1], **facts})

table = pd.DataFrame(rows)
print(table.to_string(index=False, float_format="{:.3f}".format))
table.to_csv("runs/resolution_sweep/results.csv", index=False)
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for arch, own in table.groupby("model"):
    axes.semilogx(own["multiply_adds"], own["accuracy"], "o-", label=arch)
axes.set(xlabel="multiply-adds of an image", ylabel="accuracy on valid")
axes.legend()
figure.savefig("runs/resolution_sweep/results.png")
print("table: runs/resolution_sweep/results.csv")
