"""The methods by name, and what a user asks of the explanations of a run and gets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learnerkit.core.errors import RecipeError, nearest
from learnerkit.explain.cam import gradcam, layercam
from learnerkit.explain.gradients import saliency_map
from learnerkit.explain.layers import Layer
from learnerkit.explain.paths import deeplift, integrated_gradients, smoothgrad
from learnerkit.pages.page import Table

METHODS: dict[str, Callable] = {
    "gradcam": gradcam,
    "layercam": layercam,
    "saliency": saliency_map,
    "integrated_gradients": integrated_gradients,
    "smoothgrad": smoothgrad,
    "deeplift": deeplift,
}
OF_A_LAYER = ("gradcam", "layercam")


@dataclass(frozen=True)
class Asked:
    """What is to be explained, and how.

    methods: names of `METHODS`, the task's usual ones where empty; layer: of those that look at one, see `find_layer`.
    at: sides in pixels at which the images are explained beside the run's own size.
    images: how many, as many as the task usually takes where None; names: of these very samples.
    classes: the class of each that is explained; where None, what the run predicts.
    controls: whether they are measured; score: the least of a detection; seed: of the choice and the controls.
    """

    methods: Sequence[str] = ()
    layer: Layer = "late"
    at: Sequence[int] = ()
    images: int | None = None
    names: Sequence[str] | None = None
    classes: Sequence[int] | None = None
    controls: bool = True
    score: float = 0.5
    seed: int = 0


@dataclass
class Explained:
    """What the explanations of a run are.

    names, classes: of the samples; heat: maps [N,h,w] by variant, as they are compared with those of other runs.
    figures, titles: pictures by the names of their files, and what they are called; tables: of the run's page.
    rows: of CSV files by their names; facts: of explanations.json; notes: what could not be explained, and why.
    """

    names: list[str]
    classes: list[int]
    heat: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def draw(self, name: str, title: str, figure: Figure) -> None:
        """Add a picture."""
        self.figures[name], self.titles[name] = figure, title


def method_of(name: str, layer: Layer = "late") -> Callable:
    """A method as a function of model, images and targets; RecipeError with the nearest names where there is none such.

    layer: for those that look at one.
    """
    if name not in METHODS:
        raise RecipeError(f"method '{name}': {nearest(name, METHODS)}")
    return partial(METHODS[name], layer=layer) if name in OF_A_LAYER else METHODS[name]
