"""Normalisations under reduced precision."""

import pytest
import torch
from torch import nn

from genbench.networks.normalisation import GroupNorm


def test_group_norm_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = GroupNorm(2, 6), nn.GroupNorm(2, 6)
    x = torch.randn(3, 6, 5, 5)
    assert torch.equal(ours(x), theirs(x))
    assert ours.state_dict().keys() == theirs.state_dict().keys()


@pytest.mark.parametrize("autocast", [False, True])
def test_group_norm_computes_in_float32_as_autocast_has_it_on_gpus(autocast: bool) -> None:
    torch.manual_seed(0)
    norm = GroupNorm(2, 6)
    x = torch.randn(3, 6, 5, 5).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        y = norm(x)
    assert y.dtype == torch.float32
    assert torch.equal(y, nn.GroupNorm(2, 6)(x.float()))
    (slope,) = torch.autograd.grad(y.square().sum(), x)
    assert slope.dtype == torch.bfloat16


def test_group_norm_of_half_precision_weights_stays_in_half_precision() -> None:
    assert GroupNorm(2, 6).bfloat16()(torch.ones(1, 6, 2, 2).bfloat16()).dtype == torch.bfloat16
