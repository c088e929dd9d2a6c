"""The digit classifier and the Evaluator: accuracy, protocol, and the same score from any number of processes."""

import os

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from safetensors import safe_open
from torch import Tensor

from genbench.data.base import Split
from genbench.data.digits import Digits
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.medium import Images
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.extractors.digits import DIGITS_WEIGHTS, load_digit_classifier
from genbench.metrics.scores.fid import Fid
from genbench.metrics.scores.moments import Moments
from genbench.randomness import CHUNK, Noise


def smooth_images(count: int, condition: None = None, *, noise: Noise) -> Tensor:
    """Stand in for a method: smooth random images with something of digits in them."""
    z = noise.normal(count, 1, 7, 7)
    return torch.nn.functional.interpolate(z, (28, 28), mode="bilinear").tanh()


class Colours(Digits):
    """Digits in colour."""

    def load(self, split: Split) -> SampleStore:
        store = super().load(split)
        self.medium = Images((3, *self.medium.shape[1:]))
        return SampleStore(store.samples[:].expand(-1, 3, -1, -1), store.conditions)


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits()


@pytest.fixture
def evaluator(digits: Digits) -> Evaluator:
    evaluator = Evaluator(count=3 * CHUNK + 8)
    evaluator.set_reference(digits)
    return evaluator


def test_the_classifier_is_small_and_as_accurate_as_its_file_says(digits: Digits) -> None:
    assert DIGITS_WEIGHTS.stat().st_size < 2**20
    with safe_open(DIGITS_WEIGHTS, "pt") as file:
        claimed = {name: float(value) for name, value in file.metadata().items()}
    assert claimed["mnist_test_accuracy"] > 0.99
    test = digits.store("test")
    hits = load_digit_classifier()(test.samples).logits.argmax(1) == test.conditions
    assert hits.double().mean().item() == pytest.approx(claimed["digits_test_accuracy"], abs=0.003)
    assert claimed["digits_test_accuracy"] > 0.98


def test_the_classifier_takes_grey_images_of_any_size() -> None:
    classifier = load_digit_classifier()
    for side in (8, 28, 64):
        features, logits = classifier(torch.zeros(2, 1, side, side, dtype=torch.uint8))
        assert (features.shape, logits.shape) == ((2, 64), (2, 10))
    with pytest.raises(UserError, match="grey"):
        classifier(torch.zeros(2, 3, 28, 28, dtype=torch.uint8))


def test_real_digits_score_far_better_than_noise(evaluator: Evaluator, digits: Digits) -> None:
    real = evaluator.score_images(digits.store("test").samples).values
    noise = evaluator.score_method(smooth_images, torch.device("cpu")).values
    assert real["fid_digits"] < noise["fid_digits"] / 10
    assert real["classes_digits"] == 10
    assert real["distance_from_uniform_digits"] < 0.15
    assert real["is_digits"] > noise["is_digits"]


def test_a_reference_is_at_distance_zero_from_itself(evaluator: Evaluator, digits: Digits) -> None:
    assert evaluator.score_images(digits.store("train").samples).values["fid_digits"] == pytest.approx(0, abs=1e-4)


def test_a_collapsed_set_is_seen_as_one(evaluator: Evaluator, digits: Digits) -> None:
    train = digits.store("train")
    ones = train.samples[train.conditions == 1]
    values = evaluator.score_images(ones).values
    assert values["distance_from_uniform_digits"] > 0.85
    assert values["smallest_class_digits"] == 0
    assert values["is_digits"] < 1.2


def test_a_score_carries_its_protocol(evaluator: Evaluator) -> None:
    protocol = evaluator.score_method(smooth_images, torch.device("cpu")).protocol
    assert protocol["count"] == evaluator.count
    assert (protocol["reference"], protocol["reference_split"], protocol["reference_count"]) == (
        "digits",
        "train",
        1442,
    )
    assert protocol["seed"] == 0
    assert len(protocol["extractor_sha256"]) == 16
    assert "bilinear" in protocol["resize"]


def test_drawing_is_timed_and_a_score_that_fails_is_left_out_with_its_reason(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> dict[str, float]:
        raise ValueError("it does not like these")

    evaluator = Evaluator(count=CHUNK, scores=["fid", "moments"])
    evaluator.set_reference(digits)
    monkeypatch.setattr(Moments, "compute", fail)
    clock = iter(range(100))
    monkeypatch.setattr("genbench.sampling.time.monotonic", lambda: float(next(clock)))
    scores = evaluator.score_method(smooth_images, torch.device("cpu"))
    # A second for one chunk.
    assert evaluator.seconds_per_image == pytest.approx(1 / CHUNK)
    assert scores.left_out == {"moments": "it does not like these"}
    assert set(scores.values) == {"fid_digits"}
    monkeypatch.setattr(Fid, "compute", fail)
    with pytest.raises(UserError, match="no score can be computed: fid: it does not like these; moments: it does"):
        evaluator.score_method(smooth_images, torch.device("cpu"))


def test_no_score_by_the_digit_classifier_is_called_plain_fid(evaluator: Evaluator) -> None:
    values = evaluator.score_method(smooth_images, torch.device("cpu")).values
    assert all("_digits" in name for name in values)


def score_in_process(rank: int, world_size: int, port: int, results: dict[int, dict[str, float]]) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world_size)
    evaluator = Evaluator(count=3 * CHUNK + 8, scores=None, kid_subset_size=50)
    evaluator.set_reference(Digits(), rank=rank, world_size=world_size)
    results[rank] = evaluator.score_method(smooth_images, torch.device("cpu"), rank, world_size).values
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_get_the_scores_of_one(digits: Digits, free_port: int, count: int) -> None:
    evaluator = Evaluator(count=3 * CHUNK + 8, scores=None, kid_subset_size=50)
    evaluator.set_reference(digits)
    alone = evaluator.score_method(smooth_images, torch.device("cpu")).values
    with torch.multiprocessing.Manager() as manager:
        results = manager.dict()
        arguments = (count, free_port, results)
        torch.multiprocessing.start_processes(score_in_process, arguments, nprocs=count, start_method="forkserver")
        for rank in range(count):
            assert results[rank] == pytest.approx(alone, rel=1e-6)


def test_settings_that_do_not_do() -> None:
    with pytest.raises(UserError, match="at least 10"):
        Evaluator(count=9)
    with pytest.raises(UserError, match="seed"):
        Evaluator(count=10, seed=-1)
    with pytest.raises(UserError, match="grey"):
        Evaluator(count=10).set_reference(Colours())
