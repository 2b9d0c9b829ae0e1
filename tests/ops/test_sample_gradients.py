"""What each sample contributes to a gradient, against a backward pass of its own."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from learnerkit.ops.sample_gradients import LAYERS, sample_shares


def losses_of(model, images, targets):
    return lambda: functional.cross_entropy(model(images), targets, reduction="none")


def own_gradients(model, images, targets):
    """The norm of each sample's own gradient over the convolutions and linear layers."""
    norms = []
    for image, target in zip(images.split(1), targets.split(1), strict=True):
        model.zero_grad()
        functional.cross_entropy(model(image), target).backward()
        layers = [layer for layer in model.modules() if isinstance(layer, LAYERS)]
        grads = [p.grad for layer in layers for p in layer.parameters(recurse=False)]
        norms.append(torch.sqrt(sum(grad.double().square().sum() for grad in grads)))
    return torch.stack(norms).float()


class Twice(nn.Module):
    """One layer that is used two times, and an overwriting activation behind a convolution."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding="same", bias=False)
        self.mix = nn.Linear(4, 4)
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        x = functional.relu_(self.conv(x)).flatten(2).transpose(1, 2)  # [B, positions, 4]
        return self.head(self.mix(torch.tanh(self.mix(x))).mean(1))


def test_without_a_batch_norm_a_share_is_the_gradient_of_the_samples_own_loss():
    model, images, targets = Twice(), torch.randn(6, 3, 8, 8), torch.randint(0, 5, (6,))
    losses, norms = sample_shares(model, losses_of(model, images, targets))
    torch.testing.assert_close(losses, losses_of(model, images, targets)().detach())
    torch.testing.assert_close(norms, own_gradients(model, images, targets))


def test_shares_sum_to_the_gradient_of_the_batch_under_a_batch_norm():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 5))
    one = torch.randn(1, 3, 8, 8)
    images, targets = torch.cat([one, one, torch.randn(1, 3, 8, 8)]), torch.tensor([1, 1, 2])
    _, norms = sample_shares(model, losses_of(model, images, targets))
    assert norms[0] == pytest.approx(norms[1].item())
    # of three equal samples each share is a third of the batch's gradient
    images, targets = one.repeat(3, 1, 1, 1) + torch.zeros(3, 1, 1, 1), torch.tensor([1, 1, 1])
    _, norms = sample_shares(model, losses_of(model, images, targets))
    losses_of(model, images, targets)().sum().backward()
    layers = [p for layer in model if isinstance(layer, LAYERS) for p in layer.parameters()]
    whole = torch.sqrt(sum(p.grad.double().square().sum() for p in layers)).item()
    assert norms.tolist() == pytest.approx([whole / 3] * 3, rel=1e-4)


def test_frozen_layers_count_for_nothing_and_hooks_are_gone():
    model, images, targets = Twice(), torch.randn(4, 3, 8, 8), torch.randint(0, 5, (4,))
    whole = sample_shares(model, losses_of(model, images, targets))[1]
    model.conv.requires_grad_(False)
    part = sample_shares(model, losses_of(model, images, targets))[1]
    assert (part < whole).all()
    assert not any(layer._forward_hooks for layer in model.modules())
