"""The share of a batch that a rank takes."""

import pytest

from learnerkit.core.share import in_order, own_part


def test_every_sample_is_one_rank_s():
    batch = [10, 11, 12, 13, 14]
    assert [own_part(batch, (rank, 3)) for rank in range(3)] == [[10, 13], [11, 14], [12]]
    assert own_part(batch, None) == batch


@pytest.mark.parametrize(("n", "world"), [(5, 3), (6, 2), (1, 3), (7, 7)])
def test_shares_in_order_are_the_batch(n, world):
    shares = [list(range(n))[rank::world] for rank in range(world)]
    assert in_order([share for share in shares if share]) == list(range(n))


def test_a_sample_stands_in_where_there_are_fewer_than_ranks():
    assert [own_part([4, 5], (rank, 3)) for rank in range(3)] == [[4], [5], [4]]
