"""Scores from a classifier's predictions: the Inception Score and mode coverage."""

from itertools import pairwise

import torch
from torch import Tensor

IS_SPLITS = 10
"""Parts of the set over which an Inception Score is averaged."""

DIGITS = 10
"""Classes of the digit classifier."""


def refuse_other_classes(class_count: int) -> str | None:
    """Return why an extractor of so many classes does not count digits; None if it does."""
    if class_count == DIGITS:
        return None
    # Inception has a thousand classes, which are not the modes of any data set here.
    return f"it counts the {DIGITS} digits, which are not this extractor's classes"


def inception_score(logits: Tensor, splits: int = IS_SPLITS) -> tuple[float, float]:
    """Return exp E[KL(p(y|x) || p(y))], the mean and standard deviation over splits.

    It ranges from 1, where all images have the same prediction, to K, where predictions are certain and all K classes
    equally frequent (Salimans et al. 2016, https://arxiv.org/abs/1606.03498). The splits are consecutive parts of the
    set and the standard deviation is the population's, as in the authors' code.

    Args:
        logits: (N, K), in the order of the set.
        splits: how many.

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
    # xlogy defines 0 log 0 as 0.
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, marginal)).sum(1).mean().exp()


def class_fractions(logits: Tensor) -> Tensor:
    """Return the fraction (K,) of each class among the predictions of logits (N, K)."""
    return torch.bincount(logits.argmax(1), minlength=logits.shape[1]).double() / len(logits)


def distance_from_uniform(fractions: Tensor) -> float:
    """Return the total variation distance of fractions (K,) from uniform: 0 if equal, 1 - 1/K if one class has all."""
    return float((fractions - 1 / len(fractions)).abs().sum() / 2)
