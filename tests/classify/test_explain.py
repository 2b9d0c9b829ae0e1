"""Which samples are explained, and where their maps lie."""

import numpy as np
import torch

from learnerkit.classify.explain import _spread
from learnerkit.classify.maps import as_pictures


def test_half_of_the_images_are_wrong_predictions_where_there_are_so_many():
    targets = np.repeat(np.arange(10), 20)
    right = np.tile([False] + [True] * 19, 10)  # one of each class is wrong
    chosen = _spread(right, targets, 10, seed=3)
    assert (~right[chosen]).sum() == 5 and len(set(chosen.tolist())) == 10
    assert set(targets[chosen][right[chosen]]) == set(targets[chosen][~right[chosen]])  # of the same classes
    assert (~right[_spread(right, targets, 100, seed=3)]).sum() == 10  # all there are
    assert len(_spread(right, targets, 500, seed=3)) == 200
    assert np.array_equal(chosen, _spread(right, targets, 10, seed=3))
    assert not np.array_equal(chosen, _spread(right, targets, 10, seed=4))


def test_maps_of_pairs_lie_over_their_pictures():
    """Two maps of 4 pixels under pictures of 8, with 2 pixels between: a gap of one pixel of the maps."""
    heat = torch.arange(1.0, 33).view(1, 4, 8)
    found = as_pictures(heat, 2, np.zeros((1, 3, 8, 18)))
    assert found.shape == (1, 4, 9) and (found[..., 4] == 0).all()
    assert np.array_equal(np.delete(found, 4, axis=2), heat.numpy())
    assert np.array_equal(as_pictures(heat, 1, np.zeros((1, 3, 8, 16))), heat.numpy())
