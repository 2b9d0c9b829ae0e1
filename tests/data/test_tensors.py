"""A set of inputs and targets in memory: what it says of itself, and its loaders."""

import numpy as np
import pytest
import torch

from learnerkit.core.errors import DataError
from learnerkit.data.tensors import TensorSource, tensor_loaders


def make_source(**facts):
    inputs = torch.arange(40.0)[:, None, None, None].expand(40, 1, 2, 3)
    return TensorSource("numbers", inputs, np.arange(40, dtype=np.float32)[:, None], **facts)


def test_it_says_what_a_run_records():
    source = make_source(most=3)
    assert len(source) == 40 and source.ids[:2] == ["0", "1"] and source.shape == (1, 2, 3)
    assert source.facts()["most"] == 3 and source.facts()["shape"] == [1, 2, 3]
    assert source.fingerprint == make_source().fingerprint
    assert source.fingerprint != TensorSource("numbers", source.inputs, source.targets + 1).fingerprint


def test_each_batch_holds_inputs_beside_their_targets():
    dls = tensor_loaders("numbers", make_source(), bs=4, split=(0.5, 0.25, 0.25))
    assert dls.split.counts == {"train": 20, "valid": 10, "test": 10} and dls.task == "numbers"
    seen = []
    for inputs, targets in dls.valid:
        assert inputs.shape[1:] == (1, 2, 3) and torch.equal(inputs[:, 0, 0, :1], targets)
        seen += targets.flatten().tolist()
    assert sorted(seen) == sorted(map(float, dls.split.valid))


def test_inputs_without_their_targets_are_refused():
    with pytest.raises(DataError, match="numbers: 3 inputs and 2 targets"):
        TensorSource("numbers", torch.zeros(3, 1), torch.zeros(2, 1))


@pytest.mark.parametrize(
    ("inputs", "ids", "words"),
    [
        ([[1, 2], [3]], None, "arrays of numbers, a row a sample"),
        (3.0, None, "a single number"),
        ([[1.0], [2.0]], ["a"], "1 different ids for 2 samples"),
        ([[1.0], [2.0]], ["a", "a"], "1 different ids for 2 samples"),
    ],
)
def test_what_is_no_set_is_refused(inputs, ids, words):
    with pytest.raises(DataError, match=f"numbers: .*{words}"):
        TensorSource("numbers", inputs, torch.zeros(2, 1), ids)


def test_the_fingerprint_tells_type_and_shape_apart():
    values = torch.arange(8.0, requires_grad=True).reshape(4, 2)
    forms = (values, values[..., None], values.detach().view(torch.int32), values.detach().to(torch.bfloat16))
    assert len({TensorSource("numbers", form, torch.zeros(4)).fingerprint for form in forms}) == 4
