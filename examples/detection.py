"""A detector on scenes of handwritten digits in RGB, thermal and event channels, and what it gets wrong.

python examples/detection.py [EPOCHS]
"""

import sys

from learnerkit.all import *

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 8

scenes = make_digit_scenes("runs/digit-scenes")
dls = detection_dls(scenes, bs=8, keeps=())  # a mirrored digit is another class
learn = detection_learner(dls, "mit_b0", box_batch_size_per_image=32, opt="adamw", cbs=Run("runs/detection-script"))
learn.fit_one_cycle(epochs, 1e-3)
print("validation:", learn.validate())

seen = DetectionInterpretation.from_learner(learn, ds_idx=2)
for row in seen.errors()[:3]:
    print(row)
for channels, figures in seen.ablation().items():
    print(f"{channels:<18} mAP50 {figures['mAP50']:.3f}")
