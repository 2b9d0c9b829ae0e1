"""What ranks tell each other, and what is said where they cannot be found."""

import os

import pytest
import torch

from learnerkit.core import ranks
from learnerkit.core.errors import RecipeError
from learnerkit.core.launch import begin
from learnerkit.core.signals import PoliteStop
from learnerkit.core.started import processes, refuse_several
from tests.several import on_ranks


def talk():
    rank = ranks.rank()
    tensors = [torch.full((2, 3), float(rank)), torch.full((5,), 2.0 * rank), torch.full((4,), rank)]
    ranks.average(tensors[:2], block=4)
    ranks.copy_first(tensors[2:])
    with ranks.alone():
        by_itself = ranks.world(), ranks.first(rank)
    return {
        "first": ranks.first({"of": rank}),
        "gathered": ranks.gathered(rank * 10),
        "total": ranks.total(torch.tensor([1.0, rank])).tolist(),
        "least": float(ranks.least(torch.tensor(rank != 1))),
        "asked": [ranks.asked(15 if rank == 2 else None), ranks.asked(None)],
        "averaged": [sorted(set(tensor.flatten().tolist())) for tensor in tensors],
        "by_itself": by_itself,
        "place": [ranks.world(), ranks.is_first(), ranks.backend()],
    }


def test_what_three_ranks_tell_each_other(tmp_path):
    for rank, found in enumerate(on_ranks(tmp_path, 3, talk)):
        assert found["first"] == {"of": 0} and found["gathered"] == [0, 10, 20]
        assert found["total"] == [3.0, 3.0] and found["least"] == 0.0
        assert found["asked"] == [15, None] and found["averaged"] == [[1.0], [2.0], [0]]
        assert found["by_itself"] == [1, rank] and found["place"] == [3, rank == 0, "gloo"]


def test_alone_all_of_it_is_nothing():
    value = torch.ones(2)
    assert ranks.total(value) is value and ranks.least(value) is value and ranks.first("x") == "x"
    assert (ranks.world(), ranks.rank(), ranks.gathered(1), ranks.asked(None), ranks.backend()) == (
        1,
        0,
        [1],
        None,
        None,
    )


def test_what_the_environment_lacks_is_named(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(RecipeError, match="WORLD_SIZE=2 is set and LOCAL_RANK, MASTER_ADDR, MASTER_PORT is not"):
        begin()
    with pytest.raises(RecipeError, match="learnerkit sweep: runs in one process, and was started in 2"):
        refuse_several("sweep")
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(RecipeError, match="WORLD_SIZE=two: is no number of processes"):
        processes()
    monkeypatch.setenv("WORLD_SIZE", "1")
    begin()
    refuse_several("sweep")
    assert os.environ["WORLD_SIZE"] == "1"


@pytest.mark.parametrize(("again_s", "leaves"), [(0, True), (60, False)])
def test_a_signal_that_torchrun_passes_on_is_the_same_one(again_s, leaves):
    stop = PoliteStop()
    stop.catch(again_s)
    try:
        stop._on_signal(2, None)
        if leaves:
            with pytest.raises(KeyboardInterrupt):
                stop._on_signal(15, None)
        else:
            stop._on_signal(15, None)
    finally:
        stop.release()
    assert stop.asked == 2
