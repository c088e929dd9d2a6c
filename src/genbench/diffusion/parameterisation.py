"""What a network may predict, and the conversions between these parameterisations.

At x_t = alpha x_0 + sigma eps the noise, the image, the velocity and the score determine each other:

    v = alpha eps - sigma x_0   (Salimans and Ho 2022)        score = grad log q(x_t | x_0) = -eps / sigma

So a network that was trained to predict one of them works with samplers that need another.
"""

from typing import Literal

from torch import Tensor

Prediction = Literal["eps", "x_0", "v", "score"]


def to_x_0(kind: Prediction, prediction: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """Return the image x_0 that corresponds to a prediction.

    Args:
        kind: what the network predicts.
        prediction: (B, ...).
        x_t: the noisy images it was predicted from, (B, ...).
        alpha: coefficient of the image, positive, broadcastable to x_t.
        sigma: standard deviation of the noise, positive, broadcastable to x_t.

    Raises:
        ValueError: there is no such prediction.
    """
    if kind == "x_0":
        return prediction
    if kind == "eps":
        return (x_t - sigma * prediction) / alpha
    if kind == "v":
        return (alpha * x_t - sigma * prediction) / (alpha.square() + sigma.square())
    if kind == "score":
        return (x_t + sigma.square() * prediction) / alpha
    raise ValueError(f"prediction must be eps, x_0, v or score, not {kind!r}")


def from_x_0(kind: Prediction, x_0: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """Return the prediction of a given kind that corresponds to an image x_0: the inverse of `to_x_0`.

    For the x_0 from which x_t was made it is the network's target.

    Raises:
        ValueError: there is no such prediction.
    """
    eps = (x_t - alpha * x_0) / sigma
    if kind == "x_0":
        return x_0
    if kind == "eps":
        return eps
    if kind == "v":
        return alpha * eps - sigma * x_0
    if kind == "score":
        return -eps / sigma
    raise ValueError(f"prediction must be eps, x_0, v or score, not {kind!r}")


def convert(
    prediction: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor, *, given: Prediction, wanted: Prediction
) -> Tensor:
    """Convert a prediction of one kind to another."""
    if given == wanted:
        return prediction
    return from_x_0(wanted, to_x_0(given, prediction, x_t, alpha, sigma), x_t, alpha, sigma)
