"""The explanations of a classifier's run as its page shows them: pictures, tables, files."""

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from learnerkit.callbacks.identity import class_names
from learnerkit.classify.explain import AtSize, Chosen, Maps, batches, choose, joined, make_maps, own_side
from learnerkit.classify.maps import as_pictures
from learnerkit.core.run_folder import RunFolder
from learnerkit.explain.consistency import consistency_of
from learnerkit.explain.faithfulness import faithfulness
from learnerkit.explain.grid import RIGHT, WRONG, Cell, draw_cells
from learnerkit.explain.methods import Asked, Explained, method_of
from learnerkit.explain.randomised import randomisation_control
from learnerkit.learner.kit import KitLearner
from learnerkit.pages.control_tables import agreement_table, faithfulness_table, group_table, randomisation_table
from learnerkit.pages.controls import draw_agreement, draw_curves, draw_depths
from learnerkit.pages.letters import plain_text

Key = tuple[str, int]  # a method, and the side of the images in pixels
SHOWN, CLASSES = 10, 24  # images of the grid, classes with a mean map
ACROSS = 8  # pictures that stand beside one another
PAIRS = 6  # of a right and a wrong prediction
LEAST, MOST_VARIANTS = 3, 6  # images of a class, and variants of maps, whose agreement is told for each class
STEPS, RANDOM = 16, 3  # of the curves, and random orders beside each


def explain(learn: KitLearner, run: RunFolder, asked: Asked, at_size: AtSize) -> Explained:
    """Maps of a run's right and wrong predictions, how far they agree, and what the controls say of them.

    at_size: a side in pixels to DataLoaders of the same data at it.
    """
    chosen = choose(learn, run, asked)
    maps, vocab = make_maps(learn, chosen, asked, at_size), class_names(learn.dls)
    found = Explained(
        chosen.names, chosen.classes.tolist(), {_label(key, maps): heat for key, heat in maps.heat.items()}
    )
    found.notes, found.arrays = maps.notes, {name: heat.numpy() for name, heat in found.heat.items()}
    found.facts = _facts(chosen, maps, vocab)
    found.rows["images"] = _image_rows(chosen, vocab)
    _draw(found, learn, chosen, maps, vocab)
    if len(found.heat) > 1:
        _agree(found, chosen, vocab)
    if asked.controls:
        _control(found, learn, chosen, maps, asked)
    return found


def _agree(found: Explained, chosen: Chosen, vocab: list[str]) -> None:
    """How alike the maps of one image are, of all images, of right and wrong predictions, and of each class."""
    rows = consistency_of(found.heat)
    found.draw("agreement", "Do methods and resolutions agree?", draw_agreement(rows))
    groups = {"right": chosen.right, "wrong": ~chosen.right}
    groups |= {f"class {vocab[code]}": chosen.classes == code for code in np.unique(chosen.classes)}
    parts = {
        name: consistency_of({variant: heat[torch.from_numpy(of)] for variant, heat in found.heat.items()})
        for name, of in groups.items()
        if of.sum() >= LEAST and len(found.heat) <= MOST_VARIANTS
    }
    found.rows["consistency"] = [
        {"images": name, **row} for name, each in {"all": rows, **parts}.items() for row in each
    ]
    found.tables += [agreement_table(rows), *([group_table(parts)] if parts else [])]


def _label(key: tuple[str, int], maps: Maps) -> str:
    """The name of a variant: the method, and the size where there are several."""
    name, side = key
    return f"{name} {side} px" if len({side for _, side in maps.heat}) > 1 else name


def _facts(chosen: Chosen, maps: Maps, vocab: list[str]) -> dict[str, Any]:
    layers = {f"{name} {side} px": layer for (name, side), layer in maps.layers.items()}
    explained = "predicted" if (chosen.classes == chosen.predicted).all() else "given"
    return {"part": chosen.part, "images": len(chosen.names), "classes": explained, "layers": layers}


def _image_rows(chosen: Chosen, vocab: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "true": vocab[true],
            "predicted": vocab[said],
            "probability": round(float(sure), 4),
            "explained": vocab[code],
        }
        for name, true, said, sure, code in zip(
            chosen.names, chosen.targets, chosen.predicted, chosen.sure, chosen.classes, strict=True
        )
    ]


def _draw(found: Explained, learn: KitLearner, chosen: Chosen, maps: Maps, vocab: list[str]) -> None:
    """The grid of images and maps, right beside wrong predictions, and the mean map of each class."""
    pictures, names = learn.dls.source.pictures(chosen.rows), [plain_text(name, 18) for name in vocab]
    first = next(iter(maps.heat))
    what = first[0] + (f", layer {maps.layers[first]}" if first in maps.layers else "") + f", {first[1]} px"
    shown = {key: as_pictures(heat, learn.dls.n_inp, pictures) for key, heat in maps.heat.items()}
    found.draw("explanations", "What the model looked at", _grid(pictures, shown, chosen, maps.layers, names))
    heat = shown[first]
    if pairs := _pairs(chosen):
        rows = [
            [cell for place in pair for cell in _beside(pictures[place], heat[place], chosen, place, names)]
            for pair in pairs
        ]
        heads = ("right", "", "wrong", "")
        found.draw("right_and_wrong", "Right and wrong predictions of one class", draw_cells(rows, heads, what))
    cells = [
        Cell(
            pictures[places].mean(axis=0).astype(np.uint8), heat[places].mean(axis=0), f"{names[code]} ({len(places)})"
        )
        for code in np.unique(chosen.classes)[:CLASSES]
        if len(places := np.flatnonzero(chosen.classes == code))
    ]
    rows = [cells[begin : begin + ACROSS] for begin in range(0, len(cells), ACROSS)]
    left = len(np.unique(chosen.classes)) - CLASSES
    more = f"; {left} classes more are not shown" if left > 0 else ""
    small = f"{what}; mean map over the mean image, and the number of images{more}"
    found.draw("mean_maps", "Where each class is looked for", draw_cells(rows, (), "", small))


def _grid(
    pictures: np.ndarray, shown: dict[Key, np.ndarray], chosen: Chosen, layers: dict[Key, str], names: list[str]
) -> Figure:
    """Some wrong and some right predictions, a row each, with every method and size."""
    wrong, right = np.flatnonzero(~chosen.right), np.flatnonzero(chosen.right)
    few = min(len(wrong), max(SHOWN // 2, SHOWN - len(right)))
    heads = ["image"]
    for name, side in shown:
        layer = f"\nlayer {layers[name, side]}" if (name, side) in layers else ""
        heads.append(f"{name}\n{side} px{layer}")
    rows = []
    for place in [*wrong[:few], *right[: SHOWN - few]]:
        cells = [Cell(pictures[place], None, *_said(chosen, place, names), bare=True)]
        rows.append([*cells, *(Cell(pictures[place], heat[place]) for heat in shown.values())])
    if 2 * len(heads) <= ACROSS:  # two images beside one another
        half = -(-len(rows) // 2)
        rows = [row + (rows[half + place] if half + place < len(rows) else []) for place, row in enumerate(rows[:half])]
        heads = 2 * heads
    return draw_cells(rows, heads, f"What speaks for the class ({chosen.part} part)")


def _beside(picture: np.ndarray, heat: np.ndarray, chosen: Chosen, place: int, names: list[str]) -> list[Cell]:
    return [Cell(picture, None, *_said(chosen, place, names), bare=True), Cell(picture, heat)]


def _said(chosen: Chosen, place: int, names: list[str]) -> tuple[str, str]:
    """The text and colour of a prediction; the class that is explained where it is another."""
    said, true, code = (int(codes[place]) for codes in (chosen.predicted, chosen.targets, chosen.classes))
    text = f"{names[said]} {chosen.sure[place]:.0%}\ntrue: {names[true]}"
    text += f"\nexplained: {names[code]}" if code != said else ""
    return text, RIGHT if said == true else WRONG


def _pairs(chosen: Chosen) -> list[tuple[int, int]]:
    """A right and a wrong prediction of one true class each, of as many classes as are shown."""
    found = []
    for code in np.unique(chosen.targets):
        of_class = chosen.targets == code
        good, bad = (np.flatnonzero(of_class & kind) for kind in (chosen.right, ~chosen.right))
        if len(good) and len(bad):
            found.append((int(good[0]), int(bad[0])))
    return found[:PAIRS]


def _control(found: Explained, learn: KitLearner, chosen: Chosen, maps: Maps, asked: Asked) -> None:
    """Faithfulness and randomisation at the run's own size, of every method that has maps there."""
    lots = list(batches(learn.dls, chosen))
    model, images = joined(learn.model, lots[0][0])
    images = torch.cat([images, *(joined(learn.model, lot)[1] for lot, _ in lots[1:])])
    codes, side, curves, depths = torch.from_numpy(chosen.classes.astype(np.int64)), own_side(learn), {}, {}
    for name in dict.fromkeys(name for name, size in maps.heat if size == side):
        layer = maps.layers.get((name, side), asked.layer)
        method = method_of(name, layer if model is learn.model else f"model.{layer}")
        curves[name] = torch.cat([method(model, *lot) for lot in zip(images.split(32), codes.split(32), strict=True)])
        depths[name] = randomisation_control(model, images, method, codes, seed=asked.seed, bs=32)
    followed = faithfulness(model, images, curves, codes, steps=STEPS, n_random=RANDOM, seed=asked.seed)
    found.rows["faithfulness"] = followed.rows
    found.rows["randomisation"] = [{"method": name, **row} for name, rows in depths.items() for row in rows]
    drawn = draw_curves(followed.fractions, followed.curves, "probability of the class")
    found.draw("faithfulness", "Does the score follow the map?", drawn)
    found.draw("randomisation", "Do the maps depend on what was learnt?", draw_depths(depths))
    found.tables += [faithfulness_table(followed.rows), randomisation_table(depths)]
