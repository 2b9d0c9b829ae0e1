"""Find out what a classifier of many classes is worth: worst classes, confusions, calibration, its surest mistakes.

    python examples/cifar100_analysis.py [DATA]

DATA: CIFAR-100's official python folder or archive, or 'cifar100' to download it; handwritten digits without it.
"""

import sys

from learnerkit.all import *

data = sys.argv[1] if sys.argv[1:] else None

dls = cifar_dls(data, bs=128) if data else digits_dls(bs=64, size=16)
arch, epochs = ("resnet18", 100) if data else ("simple_cnn", 2)
learn = image_learner(dls, arch, cbs=Run("runs/cifar100_analysis"))
learn.fit_one_cycle(epochs, 0.1 if data else 0.02)

seen = ImageInterpretation.from_learner(learn)  # one pass; with CIFAR-100 it knows the 20 superclasses
print(seen.worst(5)[["accuracy", "accuracy_low", "accuracy_high", "f1", "support"]].round(3).to_string())
print("confusions:", *(f"{true} for {found}: {n}" for true, found, n in seen.most_confused()[:5]), sep="\n  ")
figures = seen.calibration()
print(f"calibration error {figures['ece']:.3f}, with temperature {figures['temperature']:.2f} ", end="")
print(f"{figures['ece_calibrated']:.3f}")

folder = learn.run_folder.path
seen.wrong(12, explain=True).savefig(folder / "mistakes.png")  # Grad-CAM of the predicted class beside each
seen.plot_calibration().savefig(folder / "calibration.png")
print("mistakes with Grad-CAM:", folder / "mistakes.png")
print("report:", folder / "report.html")
