"""What stands between a set and a model works where the batch is; torch's device 'meta' stands for a GPU."""

import pytest
import torch
from torch import Tensor

from learnerkit._fastai import TensorImage
from learnerkit.classify.transforms import NormalizeBytes
from learnerkit.core.seed import seed_position
from learnerkit.detect.data.transforms import NormalizeFrames
from learnerkit.fuse.transforms import NormalizePairs

ELSEWHERE = torch.empty(2, 3, 4, 4, device="meta")
SIZES = torch.tensor([[4, 4], [3, 2]])
BATCHES = {
    "bytes": (NormalizeBytes([0.5] * 3, [0.2] * 3), ELSEWHERE.byte().as_subclass(TensorImage)),
    "frames": (NormalizeFrames([0.5] * 3, [0.2] * 3), [ELSEWHERE, SIZES]),
    "pairs": (NormalizePairs([0.5] * 6, [0.2] * 6), [ELSEWHERE, ELSEWHERE]),
}


@pytest.mark.parametrize("kind", BATCHES)
def test_normalising_follows_the_batch(kind):
    transform, batch = BATCHES[kind]
    normal = transform.encodes(batch)
    first = normal if isinstance(normal, Tensor) else normal[0]
    assert first.device.type == "meta" and first.shape == ELSEWHERE.shape and first.is_floating_point()
    if kind != "pairs":
        shown = transform.decodes(normal if isinstance(normal, Tensor) else list(normal))
        assert (shown if isinstance(shown, Tensor) else shown[0]).device.type == "meta"


def test_the_generators_of_a_gpu_are_asked_for_once_it_has_them(monkeypatch):
    """torch.cuda replaces its empty tuple of generators when it is first asked for its device."""
    made = torch.Generator()

    def current_device():
        monkeypatch.setattr(torch.cuda, "default_generators", (made,))
        return 0

    monkeypatch.setattr(torch.cuda, "default_generators", ())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", current_device)
    seed_position(5)
    expected = made.initial_seed()
    seed_position(6)
    seed_position(5)
    assert made.initial_seed() == expected
