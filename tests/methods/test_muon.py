"""Muon beside torch's own of matrices, Adam of the rest, and what an orthogonal step is."""

import copy

import pytest
import torch
from torch import nn

from genbench.methods.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(2, 8, 24), (3, 24, 8), (1, 16, 16), (1, 1, 5)])
def test_orthogonal_matrices_keep_directions_and_lose_lengths(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(shape) * 1e-3  # the steps of small gradients are not small
    found = orthogonalise(matrices)
    assert found.shape == shape
    for before, after in zip(matrices, found, strict=True):
        u, lengths, v = torch.linalg.svd(before, full_matrices=False)
        seen = u.mT @ after @ v.mT
        torch.testing.assert_close(seen, seen.diagonal().diag(), atol=0.02, rtol=0.0)
        clear = lengths > 0.05 * before.norm()
        assert ((seen.diagonal() > 0.6) & (seen.diagonal() < 1.3))[clear].all()


def test_a_matrix_takes_the_steps_of_torch() -> None:
    torch.manual_seed(0)
    own, other = nn.Parameter(torch.randn(12, 20)), nn.Parameter(torch.empty(12, 20))
    other.data.copy_(own.data)
    before = own.detach().clone()
    optimizers = [
        Muon([own], lr=0.01, momentum=0.9),
        torch.optim.Muon([other], lr=0.01, momentum=0.9, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
    ]
    for _ in range(4):
        gradient = torch.randn(12, 20)
        for parameter, optimizer in zip((own, other), optimizers, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    # They iterate in bfloat16 wherever they are.
    assert ((own - other).norm() / (own - before).norm()).item() < 0.02


def test_a_kernel_is_a_matrix_in_any_memory_format_and_a_step_is_as_long_as_adams() -> None:
    torch.manual_seed(0)
    kernel, matrix = nn.Parameter(torch.zeros(6, 4, 3, 3)), nn.Parameter(torch.zeros(6, 36))
    last = nn.Parameter(torch.zeros(6, 4, 3, 3).contiguous(memory_format=torch.channels_last))
    gradient = torch.randn(6, 4, 3, 3)
    kernel.grad, matrix.grad = gradient, gradient.reshape(6, 36)
    last.grad = gradient.contiguous(memory_format=torch.channels_last)
    Muon([kernel, matrix, last], lr=0.1).step()
    torch.testing.assert_close(kernel.flatten(1), matrix.data)
    torch.testing.assert_close(last.data, kernel.data)
    assert kernel.square().mean().sqrt().item() == pytest.approx(0.2 * 0.1, rel=0.2)


def test_vectors_are_trained_by_adam_and_what_has_no_gradient_by_nothing() -> None:
    own, other, idle = (nn.Parameter(torch.ones(3)) for _ in range(3))
    matrix = nn.Parameter(torch.ones(2, 2))
    optimizer = Muon([own, idle, matrix], adam_lr=0.01, betas=(0.8, 0.9))
    reference = torch.optim.Adam([other], lr=0.01, betas=(0.8, 0.9))
    for number in range(3):
        own.grad, other.grad = (torch.tensor([1.0, -2.0, 0.5]) + number for _ in range(2))
        optimizer.step()
        reference.step()
    torch.testing.assert_close(own, other)
    assert (idle == 1).all()
    assert (matrix == 1).all()


def test_it_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4))
    inputs = torch.randn(6, 2, 2, 3, 3)

    def train(network: nn.Module, optimizer: Muon, inputs: torch.Tensor) -> None:
        for each in inputs:
            optimizer.zero_grad()
            network(each).square().sum().backward()
            optimizer.step()

    optimizer = Muon(network.parameters())
    train(network, optimizer, inputs[:3])
    again = copy.deepcopy(network)
    second = Muon(again.parameters())
    second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(network, optimizer, inputs[3:])
    train(again, second, inputs[3:])
    for one, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
