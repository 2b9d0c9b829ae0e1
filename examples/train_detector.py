"""Train a detector on RGB, thermal and event channels; see what it finds and what it gets wrong.

    python examples/train_detector.py [DATA]

DATA: frames with boxes (YOLO, COCO, Pascal VOC, folders of modalities); scenes of handwritten digits without it.
"""

import sys

from learnerkit.all import *

data = sys.argv[1] if sys.argv[1:] else None

if data:
    dls, arch, epochs, lr = detection_dls(data, bs=2), "mit_b1", 30, 1e-4
else:
    scenes = make_digit_scenes("runs/train_detector/scenes", {"train": 96, "val": 16, "test": 16}, side=32)
    dls = detection_dls(scenes, bs=8, keeps=())  # a mirrored digit is of another class
    arch, epochs, lr = "timm:test_resnet", 6, 2e-3
boxes = 64 if data else 16
learn = detection_learner(dls, arch, opt="adamw", box_batch_size_per_image=boxes, cbs=Run("runs/train_detector/runs"))
learn.fit_one_cycle(epochs, lr)

seen = DetectionInterpretation.from_learner(learn)
figures = seen.figures()
print(f"validation: mAP {figures['mAP']:.3f}, mAP50 {figures['mAP50']:.3f}")
for kind, row in seen.error_kinds().items():
    print(f"  {kind:<12} costs {row['cost']:.3f} of AP50")
if dls.source.modalities:  # what each is worth, once a training is long enough to tell it from chance
    for channels, figures in seen.ablation().items():
        print(f"  {channels:<16} mAP50 {figures['mAP50']:.3f}")
print("report:", learn.run_folder.file("report.html"))
