"""One pass for all scores: samples are drawn once, for whatever needs them, and no more than that."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torch import Tensor

from genbench.conditions.classes import Classes
from genbench.conditions.derived import LowResolution
from genbench.data.digits import Digits
from genbench.errors import UserError
from genbench.metrics.conditions import plan
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.extractors.digits import DigitClassifier, load_digit_classifier
from genbench.metrics.features import Extraction
from genbench.metrics.material import Origin
from genbench.metrics.score import Score
from genbench.randomness import CHUNK, Noise

CPU = torch.device("cpu")
COUNT = 2 * CHUNK + 8


class Enlarges:
    """Super-resolution: each pixel of its source four times, with a little noise."""

    derives_condition = True
    likelihood = "exact"

    def __init__(self, data: Digits) -> None:
        self.medium, self.condition = data.medium, LowResolution(2).condition(data.medium)
        self.drawn = 0

    def condition_of(self, batch: Any) -> Tensor:
        return LowResolution(2)(batch.x)

    def sample(self, count: int, condition: Tensor, *, noise: Noise) -> Tensor:
        self.drawn += count
        large = torch.nn.functional.interpolate(condition, scale_factor=2)
        return (large + 0.1 * noise.normal(count, *self.medium.shape)).clamp(-1, 1)

    def bits_per_dim(self, x: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        return x.flatten(1).mean(1) + 2


def evaluate(evaluator: Evaluator, method: Any, data: Digits, rank: int = 0, world_size: int = 1) -> Any:
    planned = plan(method, data, evaluator.count)
    origin = Origin(method, data, "test", planned.rows)
    evaluator.set_reference(data, rank=rank, world_size=world_size, origin=origin)
    return evaluator.score_method(method.sample, CPU, rank, world_size, planned.conditions, origin)


EVERYTHING = ["fid", "psnr", "mae", "ssim", "target_agreement", "bits_per_dim"]


def test_samples_are_drawn_once_for_all_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Digits(size=16)
    method, looked = Enlarges(data), []
    add = Extraction.add
    monkeypatch.setattr(Extraction, "add", lambda self, first, part: (looked.append(len(part)), add(self, first, part)))
    scores = evaluate(Evaluator(COUNT, scores=EVERYTHING, likelihood=20), method, data)
    assert scores.values.keys() >= {
        "fid_digits", "psnr", "mae", "ssim", "target_agreement_digits", "bits_per_dim"
    }  # fmt: skip
    assert method.drawn == 3 * CHUNK
    assert sum(looked) == COUNT + len(data.store("train"))
    # The target of a derived condition is the sample that it was derived from.
    assert scores.values["psnr"] > 15
    assert scores.values["target_agreement_digits"] > 0.5
    assert scores.protocol["likelihood_count"] == 20
    assert scores.better["psnr"] == "higher"


def test_a_likelihood_alone_takes_neither_samples_nor_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Extraction, "__init__", lambda *arguments, **settings: pytest.fail("it extracts"))
    data = Digits(size=16)
    method = Enlarges(data)
    scores = evaluate(Evaluator(COUNT, scores=[], likelihood=20), method, data)
    assert scores.values.keys() == {"bits_per_dim", "bits_per_dim_std"}
    assert method.drawn == 0
    assert not {"count", "reference", "extractor"} & scores.protocol.keys()
    # Pixels alone take samples and no features.
    pixels = evaluate(Evaluator(COUNT, scores=["mae"]), method, data)
    assert pixels.values.keys() == {"mae"}
    assert not {"reference", "extractor"} & pixels.protocol.keys()


def test_predictions_take_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Digits(size=16)
    looked: list[int] = []
    forward = DigitClassifier.forward
    monkeypatch.setattr(
        DigitClassifier, "forward", lambda self, images: (looked.append(len(images)), forward(self, images))[1]
    )
    evaluator = Evaluator(COUNT, scores=["is", "modes"])
    evaluator.set_reference(data)
    assert looked == []
    assert "is_digits" in evaluator.score_images(data.store("test").samples[:40]).values


class TwoEyes(Score):
    """Says whether both extractors saw the same set."""

    figures = {"eyes_differ": "lower"}
    extractor = "digits"
    needs_features = True
    needs_reference = "statistics"
    needs_samples = True

    def compute(self, material: Any) -> dict[str, float]:
        main, own = material.features["main"], material.generated
        assert len(material.samples) == material.count == own.count
        return {"eyes_differ": float((main.mean - own.mean).abs().max())}


def test_another_extractor_looks_at_the_same_samples() -> None:
    data = Digits(size=16)
    evaluator = Evaluator(COUNT, extractor=load_digit_classifier(), scores=["fid", TwoEyes()])
    scores = evaluate(evaluator, Enlarges(data), data)
    assert scores.values["eyes_differ"] == 0
    assert "fid_digits" in scores.values
    real = evaluator.score_split(data, "test")
    assert real is not None
    assert real.values.keys() == scores.values.keys()


def test_halves_of_a_set_are_the_same_rows_of_all_that_belongs_to_it() -> None:
    data = Digits(size=16)
    method = Enlarges(data)
    evaluator = Evaluator(COUNT, scores=EVERYTHING, likelihood=20)
    planned = plan(method, data, COUNT)
    origin = Origin(method, data, "test", planned.rows)
    evaluator.set_reference(data, origin=origin)
    material = evaluator.draw(method.sample, CPU, conditions=planned.conditions, origin=origin)
    whole = evaluator.score(material, {})
    halves = list(material.halves(8))
    values = [evaluator.score(half, {}, strict=False).values for half in halves]
    assert all(one.keys() == whole.values.keys() for one in values)
    for name in ("psnr", "mae", "bits_per_dim", "target_agreement_digits"):
        found = torch.tensor([one[name] for one in values])
        assert found.std() > 0
        assert found.mean().item() == pytest.approx(whole.values[name], rel=0.15)
    # What was computed of the whole set is what a half's own samples give.
    fresh = [half.__class__(**(vars(half) | {"settled": {}})) for half in halves]
    again = [evaluator.score(half, {}, strict=False).values for half in fresh]
    for name in ("psnr", "mae", "ssim", "target_agreement_digits"):
        assert [one[name] for one in again] == pytest.approx([one[name] for one in values])


def test_a_reference_with_other_classes_is_another_one(tmp_path: Path) -> None:
    for _ in range(2):
        for shift in (0, 1):
            data = Digits(size=16)
            store = data.store("train")
            store.conditions = (store.conditions[:] + shift) % 10
            evaluator = Evaluator(COUNT, scores=["by_class"], cache=str(tmp_path))
            evaluator.set_reference(data)
            labels = evaluator._references["main"].labels
            assert labels is not None
            assert labels.equal(store.conditions)
    assert len(list(tmp_path.glob("digits-train-*.safetensors"))) == 2
    assert isinstance(Digits().condition, Classes)


def test_a_data_set_with_one_split_is_scored_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Digits, "splits", ("train",))
    data = Digits(size=16)
    method = SimpleNamespace(condition=None, derives_condition=False, medium=data.medium)
    origin = Origin(method, data, "train")
    assert origin.targets is None
    evaluator = Evaluator(COUNT, scores=["fid"])
    evaluator.set_reference(data, origin=origin)
    assert evaluator.score_images(data.store("train").samples).values["fid_digits"] == pytest.approx(0, abs=1e-4)


def score_in_process(rank: int, world_size: int, port: int, results: dict[int, Any]) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world_size)
    torch.set_num_threads(1)
    data = Digits(size=16)
    evaluator = Evaluator(COUNT, scores=EVERYTHING, likelihood=20)
    results[rank] = evaluate(evaluator, Enlarges(data), data, rank, world_size).values
    torch.distributed.destroy_process_group()


def test_two_processes_get_what_one_gets(free_port: int) -> None:
    data = Digits(size=16)
    alone = evaluate(Evaluator(COUNT, scores=EVERYTHING, likelihood=20), Enlarges(data), data).values
    with torch.multiprocessing.Manager() as manager:
        results = manager.dict()
        torch.multiprocessing.start_processes(
            score_in_process, (2, free_port, results), nprocs=2, start_method="forkserver"
        )
        for rank in range(2):
            assert results[rank] == pytest.approx(alone, rel=1e-6)


def test_a_score_by_name_that_does_not_apply_is_refused_before_anything_is_drawn() -> None:
    data = Digits(size=16)
    method = Enlarges(data)
    for scores, message in (
        (["cycle"], "cycle: it takes a method that translates between two domains"),
        (["agreement"], "agreement: it takes a conditional method"),
    ):
        with pytest.raises(UserError, match=message):
            evaluate(Evaluator(COUNT, scores=scores), method, data)
    assert method.drawn == 0
    with pytest.raises(UserError, match=r"metrics\.likelihood must be at least 1"):
        Evaluator(COUNT, likelihood=0)
