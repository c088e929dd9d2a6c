"""Samples as their own features, by which points are scored."""

import torch

from genbench.data.toy_points import ToyPoints
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.extractors.coordinates import Coordinates


def test_features_are_the_numbers_of_a_sample() -> None:
    points = torch.randn(3, 5, 2)
    features, logits = Coordinates((5, 2))(points)
    assert torch.equal(features, points.flatten(1))
    assert logits.shape == (3, 0)


def test_two_sample_tests_tell_points_of_the_data_from_others() -> None:
    data = ToyPoints(count=600)
    evaluator = Evaluator(count=120, extractor="coordinates", scores=["moments", "mmd", "c2st"])
    evaluator.set_reference(data)
    real = evaluator.score_images(data.store("test").samples).values
    device = torch.device("cpu")
    noise = evaluator.score_method(
        lambda count, condition, *, noise: 0.5 * noise.normal(count, *data.medium.shape), device
    ).values
    assert real.keys() == noise.keys()
    assert all(name.endswith("_coordinates") or "_coordinates" in name for name in real)
    assert real["mmd_coordinates"] < noise["mmd_coordinates"]
    assert noise["mmd_p_coordinates"] < 0.05 < real["mmd_p_coordinates"]
    assert noise["c2st_p_coordinates"] < 0.01
    assert noise["c2st_coordinates"] > 0.8
