"""FID at infinity: a set drawn from the reference's own distribution is at distance zero, whatever its size."""

import pytest
import torch

from genbench.metrics.extrapolation import frechet_at_infinity
from genbench.metrics.frechet import frechet_distance


def test_the_bias_of_few_samples_is_taken_out() -> None:
    samples = torch.randn(3000, 32, generator=torch.Generator().manual_seed(0))
    mean, covariance = torch.zeros(32), torch.eye(32)
    biased = frechet_distance(mean, covariance, samples.mean(0), samples.T.cov())
    assert biased > 0.08
    assert abs(frechet_at_infinity(samples, mean, covariance)) < biased / 5


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="features of 32 dimensions, not 30"):
        frechet_at_infinity(torch.randn(30, 32), torch.zeros(32), torch.eye(32))
