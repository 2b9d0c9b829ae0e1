"""Train a classifier with stochastic depth, CutMix and one-cycle, and look at what it confuses.

    python examples/train_cifar.py [DATA]

DATA: CIFAR-10's official python folder or archive, or 'cifar10' to download it; handwritten digits without it.
"""

import sys

from learnerkit.all import *

data = sys.argv[1] if sys.argv[1:] else None

if data:
    dls, arch, epochs = cifar_dls(data, bs=128, randaugment=(2, 9)), "hybrid_resnet", 30
else:
    dls, arch, epochs = digits_dls(bs=32, size=16), "wrn_16_1", 10
mixed = [StochasticDepth(0.2), CutMix(p=0.7)] if data else [StochasticDepth(0.1), CutMix(p=0.3)]
learn = image_learner(dls, arch, label_smoothing=0.1, clip=1.0, cbs=[*mixed, Run("runs/train_cifar")])
learn.fit_one_cycle(epochs, 0.05)

loss, accuracy, f1 = learn.validate()
print(f"validation: loss {loss:.4f}, accuracy {accuracy:.4f}, macro F1 {f1:.4f}")
seen = ImageInterpretation.from_learner(learn)
for true, predicted, count in seen.most_confused()[:5]:
    print(f"  {true} taken for {predicted}: {count}")
print("report:", learn.run_folder.file("report.html"))
