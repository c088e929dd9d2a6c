"""Scores of conditional methods, class by class."""

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from genbench.metrics.frechet import frechet_distance_of_features


def frechet_by_class(features: Tensor, labels: Tensor, real: Tensor, real_labels: Tensor) -> dict[int, float]:
    """Return, for each class, the Frechet distance between its samples and its real images.

    Args:
        features: of samples, (N, D).
        labels: the classes they were conditioned on, (N,).
        real: features of real images, (M, D).
        real_labels: their classes, (M,).

    Raises:
        ValueError: a class has fewer than two samples or real images.
    """
    distances = {}
    for label in real_labels.unique().tolist():
        x, y = features[labels == label], real[real_labels == label]
        if min(len(x), len(y)) < 2:
            raise ValueError(f"class {label} has {len(x)} samples and {len(y)} real images, and takes 2 of each")
        distances[int(label)] = frechet_distance_of_features(x, y)
    return distances


def classification_accuracy_score(features: Tensor, labels: Tensor, real: Tensor, real_labels: Tensor) -> float:
    """Return the accuracy on real images of a classifier that was trained only on samples.

    After Ravuri and Vinyals (2019, https://arxiv.org/abs/1905.10887), but with a linear classifier of the extractor's
    features instead of a network trained on pixels, so the values are not comparable with published ones.
    """
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(features.double().numpy(), labels.numpy())
    predicted = torch.from_numpy(classifier.predict(real.double().numpy()))
    return float((predicted == real_labels).double().mean())
