"""Tensors that are kept and put back by as many operations as there are types of them."""

from functools import partial

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from learnerkit.ops.finite import all_finite
from learnerkit.ops.kept import Kept


def some():
    return [torch.arange(6.0).view(2, 3), torch.tensor(4), torch.full((2,), 3.0), torch.tensor(7), torch.tensor(1.5)]


def spoil(tensors):
    for tensor in tensors:
        tensor.fill_(float("nan") if tensor.is_floating_point() else -1)


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_put_back_gives_what_was_taken_last():
    tensors = some()
    kept = Kept(tensors)
    tensors[0][0, 0], tensors[1][...] = 9.0, 5
    taken = [tensor.clone() for tensor in tensors]
    kept.take()
    spoil(tensors)
    kept.put_back()
    assert same(tensors, taken)
    Kept([]).put_back()


def test_where_says_on_the_device_whether_it_is_put_back():
    tensors = some()
    kept = Kept(tensors)
    spoil(tensors)
    kept.put_back(torch.tensor(True))
    assert same(tensors, some())
    for tensor in tensors:
        tensor.fill_(2)
    kept.put_back(torch.tensor(False))
    assert all((tensor == 2).all() for tensor in tensors)
    kept.put_back(torch.tensor(True))
    assert same(tensors, some())


class Counted(TorchDispatchMode):
    """Counts the operations that compute or copy: on a GPU a launch or more each."""

    n = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.n += not function.is_view
        return function(*args, **(kwargs or {}))


def operations(act):
    with Counted() as counted:
        act()
    return counted.n


def test_more_tensors_are_not_more_operations():
    found = []
    for n in (2, 50):
        tensors = [torch.rand(3) for _ in range(n)]
        kept, no = Kept(tensors), torch.tensor(False)
        acts = (kept.take, kept.put_back, partial(kept.put_back, no), partial(all_finite, tensors))
        found.append([operations(act) for act in acts])
    assert found[0] == found[1] and max(found[0]) < 10
