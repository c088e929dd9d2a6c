"""Scores that look only at what a classifier says of each image: the Inception Score and mode coverage."""

from itertools import pairwise

import torch
from torch import Tensor


def inception_score(logits: Tensor, splits: int = 10) -> tuple[float, float]:
    """Return exp E[KL(p(y|x) || p(y))], the mean and standard deviation over splits.

    From 1, where every image is labelled alike, to K, where all labels are sure and all K classes equally frequent
    (Salimans et al. 2016, https://arxiv.org/abs/1606.03498). The splits are consecutive tenths of the set and the
    deviation is that of the population, as in the authors' code.

    Args:
        logits: (N, K), in the order of the set.
        splits: how many parts.

    Raises:
        ValueError: there are fewer images than splits.
    """
    if len(logits) < splits:
        raise ValueError(f"an Inception Score over {splits} splits takes at least {splits} images, not {len(logits)}")
    count = len(logits)
    log_p = logits.double().log_softmax(1)
    bounds = [count * part // splits for part in range(splits + 1)]
    scores = torch.stack([_score(log_p[begin:end]) for begin, end in pairwise(bounds)])
    return float(scores.mean()), float(scores.std(correction=0))


def _score(log_p: Tensor) -> Tensor:
    p = log_p.exp()
    marginal = p.mean(0)
    # xlogy takes 0 log 0 as 0.
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, marginal)).sum(1).mean().exp()


def class_shares(logits: Tensor) -> Tensor:
    """Return the share (K,) of each class among the most likely labels of logits (N, K)."""
    return torch.bincount(logits.argmax(1), minlength=logits.shape[1]).double() / len(logits)


def distance_from_uniform(shares: Tensor) -> float:
    """Return the total variation between shares (K,) and 1/K each: 0 if all are equal, 1 - 1/K if one has all."""
    return float((shares - 1 / len(shares)).abs().sum() / 2)
