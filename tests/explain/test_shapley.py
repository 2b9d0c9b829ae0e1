"""Shapley values of games whose answer is known, and the filling in of erased objects."""

import pytest
import torch

from learnerkit.core.errors import DataError
from learnerkit.explain.shapley import filled_in, shapley_values, shares_of

GAMES = {
    "additive": (lambda players: torch.tensor(sum((5.0, 2.0, -1.0)[one] for one in players)), [5, 2, -1]),
    "both needed": (lambda players: torch.tensor(float({0, 1} <= players)), [0.5, 0.5, 0]),
    "any will do": (lambda players: torch.tensor(float(bool(players))), [1 / 3, 1 / 3, 1 / 3]),
    "one left, two right gloves": (
        lambda players: torch.tensor(float(0 in players and len(players) > 1)),
        [2 / 3, 1 / 6, 1 / 6],
    ),
}


@pytest.mark.parametrize("name", GAMES)
def test_values_of_known_games(name):
    value, expected = GAMES[name]
    found = shapley_values(value, 3)
    assert found.tolist() == pytest.approx(expected)
    assert float(found.sum()) == pytest.approx(float(value(frozenset({0, 1, 2})) - value(frozenset())))


def test_values_of_a_batch_are_those_of_each():
    weights = torch.tensor([[1.0, 2.0], [3.0, -4.0]])
    found = shapley_values(lambda players: sum((weights[:, one] for one in players), torch.zeros(2)), 2)
    assert torch.allclose(found, weights)


def test_too_many_players_are_refused():
    with pytest.raises(DataError, match="9 parts to share a score among; 1 to 8 are"):
        shapley_values(lambda players: torch.zeros(1), 9)


def test_shares_are_of_what_speaks_for_it():
    assert shares_of(torch.tensor([3.0, 1.0, -2.0])).tolist() == [0.75, 0.25, 0]
    assert shares_of(torch.tensor([-1.0, -2.0])).isnan().all()


def test_a_slope_is_filled_in_as_it_was():
    """On a plane both lines meet the erased values; the other channel stays."""
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(10.0), indexing="ij")
    frame = torch.stack([2 * rows + columns, rows, -columns])[None]
    spoilt = frame.clone()
    spoilt[:, :, 4:7, 3:6] = 99
    found = filled_in(spoilt, torch.tensor([[3.0, 4.0, 5.0, 6.0]]), [0, 2], margin=0)
    assert torch.allclose(found[:, [0, 2]], frame[:, [0, 2]], atol=1e-5) and torch.equal(found[:, 1], spoilt[:, 1])
    assert (spoilt[:, 0, 4:7, 3:6] == 99).all()  # what was given is left alone


@pytest.mark.parametrize("box", [(0, 0, 4, 5), (6, 7, 10, 12), (0, 3, 10, 6), (3, 0, 6, 12), (0, 0, 10, 12)])
def test_boxes_at_the_edge_take_what_is_left(box):
    frame = torch.full((1, 2, 12, 10), 3.0)
    x1, y1, x2, y2 = box
    spoilt = frame.clone()
    spoilt[:, :, y1:y2, x1:x2] = 7.0
    found = filled_in(spoilt, torch.tensor([box], dtype=torch.float), [0, 1])
    whole = box == (0, 0, 10, 12)
    assert torch.allclose(found, torch.full_like(found, 7.0 if whole else 3.0))  # the mean, where nothing is around it
