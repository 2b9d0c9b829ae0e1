"""CIFAR-10 with stochastic depth and CutMix, one-cycle, 16 test-time views, and what was confused.

    python examples/cifar10.py DATA [EPOCHS]

DATA is the official python folder or archive, or 'cifar10' to download it.
"""

import sys

from learnerkit.all import *

data, epochs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 30

dls = cifar_dls(data, bs=128, randaugment=(2, 9))
learn = image_learner(
    dls,
    "hybrid_resnet",
    wd=1e-4,
    clip=1.0,
    label_smoothing=0.1,
    cbs=[StochasticDepth(0.2), CutMix(p=0.7), Run("runs/cifar10-script")],
)
learn.fit_one_cycle(epochs, 0.05)
print("with TTA:", learn.validate(cbs=TTA(16)))
interpretation = ImageInterpretation.from_learner(learn, cbs=TTA(16))
print("most confused:", interpretation.most_confused()[:5])
print("report:", write_report(learn.run_folder.path))
