"""Explain a classifier by three methods: an overlay of each on eight images, and how far the methods agree.

    python examples/explain.py [DATA]

DATA: a folder of class folders, whose pictures are brought to 64 pixels; handwritten digits without it.
"""

import sys

import numpy as np
from PIL import Image

from learnerkit.all import *

data = sys.argv[1] if sys.argv[1:] else None

dls = folder_dls(data, bs=64, size=64, min_scale=0.35) if data else digits_dls(bs=64, size=24)
learn = image_learner(dls, "resnet18" if data else "simple_cnn", cbs=Run("runs/explain"))
learn.fit_one_cycle(30 if data else 3, 0.05)

batch = dls.valid.one_batch()
images, pictures = batch[0], dls.valid.decode(batch)[0]  # as the model takes them, and in 0..1
methods = [gradcam, layercam, saliency_map]
maps = [method(learn.model, images[:8]) for method in methods]
rows = [[overlay(*pair) for pair in zip(pictures[:8], of_method, strict=True)] for of_method in maps]
file = learn.run_folder.path / "overlays.png"
Image.fromarray(np.vstack([np.hstack(row) for row in rows])).save(file)

for row in explanation_consistency(learn.model, images, methods):
    if row["measure"] == "spearman":
        pair = f"{row['first']} and {row['second']}"
        print(f"{pair:<26} rank correlation {row['mean']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}], ", end="")
        print(f"of other images {row['other_images']:+.2f}")
print("overlays, a row a method:", file)
