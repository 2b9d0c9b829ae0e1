"""Muon of whole models: torch's own for matrices, SGD for vectors; resumed like any other."""

import contextlib

import pytest
import torch
from torch import nn

from learnerkit.callbacks.run import RunKeeper
from learnerkit.learner.muon import Muon
from tests.conftest import assert_same_weights, state_of, toy_learner
from tests.learner.test_resume import StopAt


def net():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(6 * 4, 5))


def losses(model, opt, n=3):
    torch.manual_seed(4)
    for _ in range(n):
        opt.zero_grad()
        model(torch.randn(7, 3, 4, 4)).logsumexp(1).square().sum().backward()
        yield opt


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_matrices_take_steps_of_torchs_muon_and_vectors_of_sgd(layout):
    ours, theirs = net().to(memory_format=layout), net()
    settings = {"lr": 0.03, "momentum": 0.8, "weight_decay": 0.1, "nesterov": True}
    weight = nn.Parameter(theirs[0].weight.detach().flatten(1))
    muon = torch.optim.Muon([weight, theirs[3].weight], **settings)
    sgd = torch.optim.SGD([theirs[0].bias, *theirs[1].parameters(), theirs[3].bias], **settings)
    for opt in losses(ours, Muon(ours.parameters(), lr=0.03, momentum=0.8, weight_decay=0.1)):
        opt.step()
    for opt in losses(theirs, sgd):
        weight.grad = theirs[0].weight.grad.flatten(1)
        opt.step(), muon.step()
        theirs[0].weight.data.copy_(weight.view_as(theirs[0].weight))
        theirs[0].weight.grad = theirs[3].weight.grad = None
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-3)  # torch iterates in bfloat16


def test_a_step_is_orthogonal_and_knows_nothing_of_the_gradients_length():
    steps = []
    for scale in (1.0, 100.0):
        torch.manual_seed(1)
        weight = nn.Parameter(torch.zeros(4, 3, 2, 2))
        weight.grad = scale * torch.randn(4, 3, 2, 2)
        Muon([weight], lr=1.0, momentum=0.0).step()
        steps.append(weight.detach().flatten(1))
    torch.testing.assert_close(*steps, rtol=0, atol=0.02)
    found = torch.linalg.svdvals(steps[0])
    assert (found > 0.6).all() and (found < 1.3).all()  # what five iterations leave around 1


def trained(root, name, at=None, resume=False):
    """A learner that was trained with Muon into a run, stopped after a batch where `at` says so."""
    run = RunKeeper(root, name, checkpoint_every=1, resume=resume)
    learn = toy_learner([run, *([StopAt(*at)] if at else [])], opt="muon")
    with contextlib.suppress(KeyboardInterrupt):
        learn.fit(3, 0.02)
    return learn


def test_it_trains_by_name_and_goes_on_bit_for_bit(tmp_path):
    whole = trained(tmp_path, "whole")
    assert whole.recorder.values[-1][0] < whole.recorder.values[0][0]
    stopped = trained(tmp_path, "stopped", at=(1, 1))
    assert len(stopped.recorder.values) < 3
    assert_same_weights(state_of(whole), state_of(trained(tmp_path, "stopped", resume=True)))
