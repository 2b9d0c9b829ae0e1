"""Export a classifier as an ONNX file that says its classes and preprocessing, and run it without torch.

    python examples/export_onnx.py [DATA]

DATA: CIFAR's official python folder or archive; handwritten digits without it.
"""

import sys

import numpy as np

from learnerkit.all import *

data = sys.argv[1] if sys.argv[1:] else None

dls = cifar_dls(data, bs=128) if data else digits_dls(bs=64, size=16)
arch, epochs = ("se_resnet", 30) if data else ("simple_cnn", 4)
learn = image_learner(dls, arch, cbs=Run("runs/export_onnx"))
learn.fit_one_cycle(epochs, 0.05)

run = learn.run_folder.path
try:
    file = export_model(run, run / "model.onnx")  # its best weights, compared with the model on 32 images
except LearnerkitError as error:
    sys.exit(f"skipped: {error}")  # says what to install where a package is missing

import onnxruntime  # noqa: E402

session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
images, classes = dls.valid.one_batch()
(logits,) = session.run(None, {"image": images.numpy()})
expected = load_model(run)(images).detach().numpy()
print(f"greatest difference of {logits.size} logits to torch: {np.abs(logits - expected).max():.2e}")
print(f"accuracy of the file on a batch: {(logits.argmax(1) == classes.numpy()).mean():.4f}")
print("says of itself:", sorted(session.get_modelmeta().custom_metadata_map))
print("file:", file)
