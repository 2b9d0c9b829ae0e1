"""Classes in groups: the 20 superclasses of CIFAR-100, or groups that a user gives."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from learnerkit.core.errors import DataError, nearest
from learnerkit.core.text import some

Groups = Mapping[str, str | Sequence[str]] | Sequence[str]

CIFAR100 = {  # Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images; names as its files have them
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}


def groups_of(vocab: Sequence[str], groups: Groups | None = None) -> list[str]:
    """The group of each class; none ([]) where no groups are given and the classes are not those of CIFAR-100.

    vocab: names of the classes.
    groups: a group's name to its classes' names, a class's name to its group's, or the group of each class in order.
    DataError names the classes that stand in no group, in two, or are unknown.
    """
    names = [str(name) for name in vocab]
    if groups is None:
        known = {name: group for group, members in CIFAR100.items() for name in members.split()}
        return [known[name] for name in names] if set(names) == known.keys() else []
    if not isinstance(groups, Mapping):
        if isinstance(groups, str) or len(groups) != len(names):
            raise DataError(f"groups: needs a group for each of {len(names)} classes, in their order, or a dict")
        return [str(group) for group in groups]
    of_class = _of_class(groups)
    if unknown := [name for name in of_class if name not in names]:
        raise DataError(f"groups: {unknown[0]!r} is no class; {nearest(unknown[0], names)}")
    if missing := [name for name in names if name not in of_class]:
        raise DataError(f"groups: {some(missing)} stand in no group; each of the {len(names)} classes needs one")
    return [of_class[name] for name in names]


def _of_class(groups: Mapping[str, str | Sequence[str]]) -> dict[str, str]:
    """Each class's group, of either kind of dict."""
    if all(isinstance(value, str) for value in groups.values()):
        return {str(name): group for name, group in groups.items()}
    of_class: dict[str, str] = {}
    for group, members in groups.items():
        for name in [members] if isinstance(members, str) else members:
            if of_class.setdefault(str(name), str(group)) != str(group):
                raise DataError(f"groups: {name} stands in {of_class[str(name)]} and in {group}; a class has one group")
    return of_class


def grouped_order(groups: Sequence[str]) -> np.ndarray:
    """Class indices with those of a group side by side: groups by name, inside one as the vocabulary has them."""
    return np.lexsort((np.arange(len(groups)), np.asarray(groups, dtype=str)))


def group_codes(groups: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The number of each class's group [K], and the names of the groups in their order."""
    names, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    return codes, names.tolist()


def block_sums(matrix: np.ndarray, groups: Sequence[str]) -> pd.DataFrame:
    """The counts of a confusion matrix [K,K] summed by group: rows the true groups, columns the predicted ones."""
    codes, names = group_codes(groups)
    member = np.eye(len(names), dtype=np.int64)[codes]
    return pd.DataFrame(member.T @ matrix @ member, index=names, columns=names)
