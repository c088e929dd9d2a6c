"""Scaled dot-product attention (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762), and its weights."""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
    """Return values (..., Q, D) averaged by their `attention_weights`.

    Args:
        q: queries (..., Q, D).
        k: keys (..., K, D).
        v: values (..., K, D).
        mask: True for keys to attend to, bool, broadcastable to the weights; None for all.
        causal: whether each query attends to the keys up to its own place alone.
    """
    if q.dtype == torch.bfloat16 and q.device.type == "cpu":
        # In torch 2.14 the backward pass takes five times as long in bf16 as in float32, to which a cast alone would
        # not lead: autocast casts back.
        with torch.autocast("cpu", enabled=False):
            seen = scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=mask, is_causal=causal)
        return seen.to(q.dtype)
    return scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)


def attention_weights(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    """Return the weights (B, heads, Q, K) by which `attend` averages values.

    Args:
        q: queries (B, heads, Q, D).
        k: keys (B, heads, K, D).
        mask: True for keys to attend to, bool, broadcastable to the weights; None for all.
    """
    logits = (q @ k.transpose(-1, -2)).float() / q.shape[-1] ** 0.5
    return (logits if mask is None else logits.masked_fill(~mask, -torch.inf)).softmax(-1)
