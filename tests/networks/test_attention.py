"""Attention in bf16 on a CPU: computed in float32, also under autocast, and handed on in bf16."""

from contextlib import nullcontext

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from genbench.networks.attention import attend
from genbench.networks.clip_transformer import Block


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_bf16_is_attended_to_in_float32(autocast: bool, causal: bool) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 8, 16).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16) if autocast else nullcontext():
        found = attend(q, k, v, causal=causal)
    expected = scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=causal)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected.bfloat16())
    assert torch.equal(attend(q.float(), k.float(), v.float(), causal=causal), expected)


def test_a_mask_leaves_keys_out() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 8, 16)
    mask = (torch.arange(8) < 5).expand(2, 1, 1, 8)
    torch.testing.assert_close(attend(q, k, v, mask), attend(q, k[..., :5, :], v[..., :5, :]))


def test_a_network_whose_weights_are_bf16_runs_on_a_cpu() -> None:
    block = Block(16, 2, causal=False, gelu="openai", biases="openai").bfloat16()
    assert block(torch.randn(2, 5, 16).bfloat16()).dtype == torch.bfloat16
