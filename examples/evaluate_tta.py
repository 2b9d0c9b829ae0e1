"""Measure a classifier plainly and by the mean over shifted views of each image: test-time augmentation.

    python examples/evaluate_tta.py [DATA]

DATA: CIFAR's official python folder or archive; handwritten digits without it.
"""

import sys

from learnerkit.all import *

data = sys.argv[1] if sys.argv[1:] else None

dls = cifar_dls(data, bs=128) if data else digits_dls(bs=64, size=16, rotate=15)
arch, epochs = ("se_resnet", 30) if data else ("simple_cnn", 5)
learn = image_learner(dls, arch, cbs=Run("runs/evaluate_tta", report=False))
learn.fit_one_cycle(epochs, 0.05)

tta = TTA(16, per_view=True)  # with mirrored views where the set keeps its classes under a mirror
print(f"validation, plain            accuracy {learn.validate()[1]:.4f}")
print(f"validation, mean of 16 views accuracy {learn.validate(cbs=tta)[1]:.4f}")
for view, accuracy in tta.view_accuracy.items():
    print(f"  {view:<12} alone         accuracy {accuracy:.4f}")

run = learn.run_folder.path
_, figures = evaluate_run(run, tta=16)  # the test part, once, with the weights that the valid part chose
print(f"test: plain {figures['test_accuracy']:.4f}, 16 views {figures['test_accuracy_tta']:.4f}")
print("report:", run / "report.html")
