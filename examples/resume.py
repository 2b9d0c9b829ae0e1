"""Stop a training after an epoch, resume it, and end with the bit-identical weights of one that was never stopped.

    python examples/resume.py [DATA]

DATA: CIFAR's official python folder or archive; handwritten digits without it.
"""

import signal
import sys

import torch

from learnerkit.all import *

data = sys.argv[1] if sys.argv[1:] else None


class CtrlC(Callback):
    def after_epoch(self):
        signal.raise_signal(signal.SIGINT)  # once; a process that is killed goes on from its last checkpoint


def train(run, *cbs):
    dls = cifar_dls(data, bs=128) if data else digits_dls(bs=64, size=16, rotate=15)
    learn = image_learner(dls, "se_resnet" if data else "simple_cnn", cbs=[CutMix(p=0.5), EMA(0.98), run, *cbs])
    try:
        learn.fit_one_cycle(3, 0.05)
    except KeyboardInterrupt:
        print("stopped after epoch", learn.epoch + 1)
    return learn


whole = train(Run("runs/resume", report=False))
stopped = train(Run("runs/resume"), CtrlC())
resumed = train(Run("runs/resume", stopped.run_folder.path.name, resume=True))

pairs = zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True)
print("bit-identical weights:", all(torch.equal(first, second) for first, second in pairs))
print("report:", resumed.run_folder.file("report.html"))
