"""The code of the pages about using a run, run as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from learnerkit.all import Run, digits_dls, export_model, folder_dls, image_learner, load_run, predict_run
from learnerkit.core.calibrated import Calibration, write_calibration
from learnerkit.core.files import read_json
from learnerkit.data.pictures import resized
from tests.conftest import toy_arrays

PAGES = Path(__file__).parents[2] / "nbs"


def code_of(page):
    (block,) = re.findall(r"```python\n(.*?)```", (PAGES / page).read_text(), re.S)
    return block


def write_classes(root):
    """Pictures of 24x20 pixels in class folders."""
    for number, (pixels, label) in enumerate(zip(*toy_arrays(36), strict=True)):
        folder = root / "set" / ("top", "middle", "bottom")[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.transpose(1, 2, 0)).resize((20, 24)).save(folder / f"{number}.png")
    return root / "set"


def make_run(root, kind):
    if kind == "grey":
        dls = digits_dls(bs=16, limit=60, size=20)
    else:
        how = {"size": 14, "min_scale": 0.5} if kind == "a margin" else {"size": 16, "resize": kind}
        dls = folder_dls(write_classes(root), bs=8, **how)
    cbs = [Run(root, "a", report=False)]
    learn = image_learner(dls, "tiny_cnn", cbs=cbs, model_args={"width": 4}, limit_batches=2, seed=1)
    learn.logger = lambda row: None
    learn.fit(1, 0.05)
    return root / "a"


@pytest.mark.parametrize("kind", ["squish", "crop", "pad", "a margin", "grey"])
def test_the_script_needs_the_file_alone(kind, tmp_path):
    run = make_run(tmp_path, kind)
    write_calibration(run, {"plain": Calibration(0.4)})
    export_model(run, tmp_path / "model.onnx")
    for number, pixels in enumerate(toy_arrays(4, size=30)[0]):
        Image.fromarray(pixels.transpose(1, 2, 0)).save(tmp_path / f"{number}.png")
    files = [f"{number}.png" for number in range(4)]
    (tmp_path / "use.py").write_text(code_of("export.md"))
    done = subprocess.run([sys.executable, "use.py", *files], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "learnerkit.all" not in code_of("export.md"), done.stderr
    place, _ = predict_run(run, [tmp_path / file for file in files])
    lines = [line.split(",") for line in (place / "predictions.csv").read_text().splitlines()[1:]]
    for said, line in zip(done.stdout.splitlines(), lines, strict=True):
        _, name, share = said.split()
        assert float(share) == pytest.approx(float(line[2]), abs=2e-4 if kind in ("squish", "crop", "pad") else 0.02)
        assert name == line[1] or abs(float(line[2]) - float(line[4])) < 0.02


@pytest.mark.parametrize("how", ["squish", "crop", "pad"])
def test_the_script_brings_pictures_to_a_size_as_the_package_does(how):
    lines = re.search(r"def brought.*?(?=\n\n\ndef )", code_of("export.md"), re.S).group()
    names = {"Image": Image, "bilinear": Image.Resampling.BILINEAR}
    exec(lines, names)
    pixels = toy_arrays(1, size=40)[0][0].transpose(1, 2, 0)
    for width, height in ((16, 16), (17, 16), (40, 40), (39, 25)):
        for wide, high in ((40, 33), (33, 40), (40, 13), (7, 40), (31, 31), (16, 16)):  # margins odd and even
            picture = Image.fromarray(np.ascontiguousarray(pixels[:high, :wide]))
            found = names["brought"](picture, width, height, how)
            assert np.array_equal(found, resized(picture, (height, width), how)), (width, height, wide, high)


def test_the_lines_of_the_page_on_predicting(tmp_path, monkeypatch):
    run = make_run(tmp_path / "runs", "squish")
    for name in ("one.png", "two.png"):
        Image.fromarray(toy_arrays(1)[0][0].transpose(1, 2, 0)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code_of("predict.md"), names)
    assert names["name"] == load_run(run).predict(tmp_path / "one.png")[0]
    assert read_json(tmp_path / "out" / "prediction.json")["samples"] == names["facts"]["samples"] == 2
