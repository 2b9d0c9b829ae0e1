"""A fourth task in one file: by how many degrees was a handwritten digit turned?

    python examples/own_task.py [FOLDER]

It registers the task and then works with learnerkit's own commands: two trainings and their comparison, into FOLDER.
In a package of your own an entry point in the group `learnerkit.tasks` takes the place of `register_task`.
"""

import sys
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn
from torchvision.transforms.v2 import functional as F

from learnerkit import cli
from learnerkit.all import Task, register_task
from learnerkit.classify.digits import read_digits
from learnerkit.core.calls import extends, recorded
from learnerkit.core.tensors import read_npz
from learnerkit.data.tensors import TensorSource, tensor_loaders
from learnerkit.learner.make import TrainingArguments, build_model, make_learner
from learnerkit.learner.wiring import asked_callbacks, training_arguments
from learnerkit.pages.figure import new_figure
from learnerkit.pages.page import Headline, Table
from learnerkit.recipe import Data, Model, Recipe, Train
from learnerkit.task import CURVES, RATE


class AngleData(Data):
    most: float = Field(60, gt=0, le=180, description="greatest angle in degrees, to either side")


class AngleRecipe(Recipe):
    task: Literal["angle"] = "angle"
    data: AngleData = AngleData(bs=64)
    model: Model = Model(arch="tiny_cnn")
    train: Train = Train(epochs=8, lr=0.05, monitor="degrees", mode="min")


@recorded()
def angle_dls(bs: int = 64, most: float = 60, split: Any = None, split_seed: int = 42, limit: int | None = None):
    digits = read_digits()
    turns = np.random.default_rng(0).uniform(-1, 1, len(digits)).astype(np.float32)  # as parts of `most`
    pairs = zip(torch.from_numpy(digits.images), most * turns, strict=True)
    images = torch.stack([F.rotate(image, float(angle)) for image, angle in pairs]) / 255
    source = TensorSource("turned digits", images, turns[:, None], digits.ids, most=most)
    return tensor_loaders("angle", source, bs, split, split_seed, limit)


@recorded("dls", "cbs")
@extends(TrainingArguments)
def angle_learner(dls: Any, arch: str = "tiny_cnn", *, cbs: Any = (), **kwargs: Any):
    def degrees(pred, turn):
        return dls.source.more["most"] * (pred - turn).abs().mean()

    arguments = TrainingArguments(**kwargs)
    model = build_model(arch, arguments.seed, n_in=1, n_out=1)
    return make_learner("angle", dls, model, nn.MSELoss(), [degrees], cbs, arguments)


def build_learner(recipe, dls, cbs):
    return angle_learner(dls, recipe.model.arch, cbs=[*asked_callbacks(recipe), *cbs], **training_arguments(recipe))


def in_degrees(run):
    seen, most = read_npz(run.file("predictions.npz")), run.described()["data"]["most"]
    return {**seen, "targets": most * seen["targets"], "predictions": most * seen["predictions"]}


def draw(seen, run, rows):
    figure, panel = new_figure(5, 5)
    panel.scatter(*(seen[key][seen["part"] == "test"] for key in ("targets", "predictions")), s=6)
    panel.axline((0, 0), slope=1, color="black", linewidth=0.8, zorder=3)
    panel.set(xlabel="turned by, in degrees", ylabel="predicted", title="Turned digits of the test part")
    return {"angles": figure}


def worst(seen, results):
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
    out = sys.argv[1] if sys.argv[1:] else "runs/own_task"
    cli.main(["train", "angle", "--out", out])
    cli.main(["train", "angle", "--out", out, "--opt", "adamw", "--lr", ".01"])
    cli.main(["compare", out])
