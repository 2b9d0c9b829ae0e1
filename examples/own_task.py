"""A fourth task in one file: by how many degrees was a handwritten digit turned?

    python examples/own_task.py [FOLDER]

It registers the task and then works with learnerkit's own commands: a training that Ctrl-C stops in its second epoch
and that is resumed, a second training, an evaluation, the comparison of both, and their reports. In a package of your
own an entry point in the group `learnerkit.tasks` takes the place of `register_task`, and the plain command knows it.
"""

import signal
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from pydantic import Field
from torch import nn
from torchvision.transforms.v2 import functional as F

from learnerkit import cli
from learnerkit._fastai import Callback, TransformBlock
from learnerkit.classify.digits import read_digits
from learnerkit.core.calls import extends, recorded
from learnerkit.core.files import sha256
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.data.loaders import KitLoaders, make_loaders
from learnerkit.data.parts import parts_of
from learnerkit.data.resident import ResidentDL, Rows
from learnerkit.data.source import Source
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.make import TrainingArguments, build_model, make_learner
from learnerkit.learner.wiring import asked_callbacks, training_arguments
from learnerkit.pages.figure import new_figure
from learnerkit.pages.page import Headline, Table
from learnerkit.recipe import Data, Model, Recipe, Train
from learnerkit.task import CURVES, RATE, Task
from learnerkit.tasks import register_task

# the recipe: what the commands can be told


class AngleData(Data):
    bs: int = Field(64, ge=1, description="digits a batch")
    most: float = Field(60, gt=0, le=180, description="greatest angle in degrees, to either side")


class AngleRecipe(Recipe):
    task: Literal["angle"] = "angle"
    data: AngleData = AngleData()
    model: Model = Model(arch="tiny_cnn")
    train: Train = Train(epochs=8, lr=0.05, schedule="one_cycle", monitor="degrees", mode="min")


# the data: what a set says of itself, and how a row becomes an input and a target


class TurnedDigits(Source):
    """scikit-learn's digits, each turned by an angle of its own; `turns` are the angles as parts of `most`."""

    name = "turned digits"

    def __init__(self, most: float) -> None:
        digits, self.most = read_digits(), most
        self.ids, self.parts = digits.ids, np.full(len(digits), "")
        self.turns = np.random.default_rng(0).uniform(-1, 1, len(digits)).astype(np.float32)
        pairs = zip(torch.from_numpy(digits.images), self.turns, strict=True)
        self.images = torch.stack([F.rotate(image, float(most * turn)) for image, turn in pairs]) / 255
        self.shape = tuple(self.images.shape[1:])
        self.fingerprint = sha256(self.images.numpy().tobytes() + self.turns.tobytes())[:16]

    def __len__(self) -> int:
        return len(self.images)

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "most": self.most}


class FloatRows(Rows):
    def encodes(self, row: int) -> torch.Tensor:
        return self.tensor[row]


@recorded()
def angle_dls(bs: int = 64, most: float = 60, split: Any = None, split_seed: int = 42, limit: int | None = None) -> Any:
    source = TurnedDigits(most)
    parts = parts_of(source, bs, split, split_seed, limit)
    images = TransformBlock(type_tfms=FloatRows(source.images), dl_type=ResidentDL)
    turns = TransformBlock(type_tfms=FloatRows(source.turns[:, None]))
    return make_loaders("angle", source, parts, (images, turns), bs=bs)


# the learner


@recorded("dls", "cbs")
@extends(TrainingArguments)
def angle_learner(dls: KitLoaders, arch: str = "tiny_cnn", *, cbs: Any = (), **kwargs: Any) -> KitLearner:
    arguments, most = TrainingArguments(**kwargs), dls.source.most
    model = build_model(arch, arguments.seed, n_in=1, n_out=1)

    def degrees(pred: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
        return most * (pred - turn).abs().mean()

    return make_learner("angle", dls, model, nn.MSELoss(), [degrees], cbs, arguments)


class CtrlC(Callback):
    """Presses Ctrl-C once, in the second epoch that this process trains."""

    order, pressed = 90, False

    def after_batch(self) -> None:
        if self.training and self.epoch == 1 and not CtrlC.pressed:
            CtrlC.pressed = True
            signal.raise_signal(signal.SIGINT)


def build_learner(recipe: AngleRecipe, dls: KitLoaders, cbs: list[Callback]) -> KitLearner:
    own = [*asked_callbacks(recipe), CtrlC()]
    return angle_learner(dls, recipe.model.arch, cbs=[*own, *cbs], **training_arguments(recipe))


# the page


def in_degrees(run: RunFolder) -> dict[str, np.ndarray]:
    seen, most = read_npz(run.file("predictions.npz")), run.described()["data"]["most"]
    return {**seen, "targets": most * seen["targets"], "predictions": most * seen["predictions"]}


def draw(seen: dict[str, np.ndarray], run: RunFolder, rows: list[dict]) -> dict[str, Figure]:
    figure, panel = new_figure(5, 5)
    panel.scatter(*(seen[key][seen["part"] == "test"] for key in ("targets", "predictions")), s=6)
    panel.axline((0, 0), slope=1, color="black", linewidth=0.8, zorder=3)
    panel.set(xlabel="turned by, in degrees", ylabel="predicted", title="Turned digits of the test part")
    return {"angles": figure}


def worst(seen: dict[str, np.ndarray], results: dict[str, Any]) -> list[Table]:
    apart = np.abs(seen["predictions"] - seen["targets"])[:, 0]
    rows = [(str(seen["ids"][row]), str(seen["part"][row]), f"{apart[row]:.1f}") for row in np.argsort(-apart)[:10]]
    return [Table("Worst angles", ("digit", "part", "off by, in degrees"), rows)]


TASK = Task(
    name="angle",
    recipe=AngleRecipe,
    open_dls=lambda recipe: angle_dls(**recipe.data.model_dump()),
    build_learner=build_learner,
    calls=(angle_dls, angle_learner),
    measures=("degrees",),
    headlines=(Headline("test_degrees", "mean error on test", "{:.1f}°"),),
    evaluation=in_degrees,
    figures=draw,
    pictures=(*CURVES, ("angles", "Angles"), *RATE),
    tables=worst,
)

if __name__ == "__main__":
    register_task(TASK)
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/angle")
    assert cli.main(["train", "angle", "--out", str(out), "--name", "first"]) == 130  # Ctrl-C
    assert cli.main(["train", "--resume", str(out / "first")]) == 0
    assert cli.main(["train", "angle", "--out", str(out), "--name", "other", "--opt", "adamw", "--lr", ".01"]) == 0
    assert cli.main(["evaluate", str(out / "first")]) == 0
    assert cli.main(["compare", str(out)]) == 0
    assert cli.main(["report", str(out / "first"), str(out / "other")]) == 0
