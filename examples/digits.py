"""Handwritten digits in a minute or two, without any download: the shape of every script.

python examples/digits.py [EPOCHS]
"""

import sys

from learnerkit.all import *

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 12

dls = digits_dls(bs=64, rotate=15)
learn = image_learner(dls, "simple_cnn", label_smoothing=0.1, cbs=[EMA(0.98), Run("runs/digits-script")])
learn.fit_one_cycle(epochs, 0.1)
print("validation, plain:", learn.validate())
print("validation, TTA:  ", learn.validate(cbs=TTA(9)))
print("report:", write_report(learn.run_folder.path))
