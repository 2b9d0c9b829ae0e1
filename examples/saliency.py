"""Pairs of maps from a digit classifier, one fusion trained: `learnerkit demo saliency` compares all seven.

python examples/saliency.py [EPOCHS]
"""

import sys

from learnerkit.all import *

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 8

digits = digits_dls(bs=64)
classifier = image_learner(digits, "simple_cnn", seed=1)
classifier.fit_one_cycle(6, 0.1)
pairs = make_saliency_pairs(classifier, digits, "runs/digit-pairs", layer="middle")

dls = saliency_dls(pairs, bs=64, stats="data")
learn = fusion_learner(dls, "wrn_10_1", fusion="gated", cbs=Run("runs/saliency-script"))
learn.fit_one_cycle(epochs, 0.05)
print("validation:", learn.validate())
print("weights of the maps, a channel each:", learn.model.reported())
