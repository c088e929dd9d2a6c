"""Which conditions a score's images are drawn for, and the scores class by class."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.derived import LowResolution
from genbench.conditions.embeddings import Embeddings
from genbench.conditions.source_images import SourceImages
from genbench.data.digits import Digits
from genbench.data.store import SampleStore
from genbench.images import to_float, to_uint8
from genbench.metrics.conditions import conditions_in_turn, held_out, plan_conditions
from genbench.metrics.evaluator import Evaluator
from genbench.randomness import Noise
from tests.kinds import classes


class Data:
    """Conditions of a training and of a test split."""

    def __init__(self, train: Tensor, test: Tensor | None = None) -> None:
        self.conditions = {"train": train} | ({} if test is None else {"test": test})
        self.splits = tuple(self.conditions)

    def store(self, split: str) -> SampleStore:
        return SampleStore(torch.zeros(len(self.conditions[split]), 1, 2, 2), self.conditions[split])


def method_of(condition: Condition) -> Any:
    return SimpleNamespace(condition=condition, derives_condition=False)


def test_labels_keep_the_proportions_of_the_training_images() -> None:
    data = Data(torch.tensor([0] * 50 + [1] * 30 + [2] * 20), torch.tensor([1]))
    method = method_of(classes(3))
    planned, words = plan_conditions(method, data, 1000)
    assert words == "in the training images' proportions"
    assert torch.bincount(planned.rows).tolist() == [500, 300, 200]
    assert not torch.equal(planned.rows, planned.rows.sort().values)
    assert torch.equal(planned.rows, plan_conditions(method, data, 1000)[0].rows)
    assert not torch.equal(planned.rows, plan_conditions(method, data, 1000, seed=1)[0].rows)
    # The largest remainder gets what rounding left over: of 3.5, 2.1 and 1.4 the first.
    assert torch.bincount(plan_conditions(method, data, 7)[0].rows).tolist() == [4, 2, 1]
    narrow = Data(data.conditions["train"].int())
    assert plan_conditions(method, narrow, 9)[0].rows.dtype == torch.int32


@pytest.mark.parametrize("test", [True, False])
def test_other_conditions_are_rows_that_the_method_never_saw_if_there_are_any(test: bool) -> None:
    rows, others = torch.arange(12.0).view(6, 2), -torch.ones(4, 2)
    data = Data(others, rows) if test else Data(rows)
    planned, words = plan_conditions(method_of(Embeddings(2)), data, 15)
    assert words == f"those of the {'test' if test else 'train'} split, each as often as any other"
    counts = [int((planned.rows == row).all(1).sum()) for row in rows]
    assert sorted(counts) == [2, 2, 2, 3, 3, 3]


class Signs(Embeddings):
    """Vectors whose class is the sign of their first number."""

    def labels(self, rows: Tensor) -> Tensor:
        return (rows[:, 0] > 0).long()


def test_rows_that_are_no_labels_are_planned_by_those_they_have() -> None:
    rows = torch.tensor([[-1.0, 1.0], [2.0, 2.0], [-3.0, 3.0], [-4.0, 4.0]])
    planned = plan_conditions(method_of(Signs(2)), Data(rows, -rows), 8)[0]
    assert (planned.labels == 1).sum() == 2
    # Each row of a class as often as any other.
    assert sorted(planned.rows[:, 1].tolist()) == [1, 1, 2, 2, 3, 3, 4, 4]


def test_a_pictures_conditions_come_in_turn() -> None:
    data, method = Data(torch.arange(12.0).view(6, 2), -torch.arange(8.0).view(4, 2)), method_of(Embeddings(2))
    assert conditions_in_turn(method, data, 6).rows[:, 0].tolist() == [0, -2, -4, -6, 0, -2]
    assert conditions_in_turn(method, data, 3).rows[:, 0].tolist() == [0, -2, -4]
    assert held_out(data) == "test"
    assert held_out(Data(torch.zeros(2, 2))) == "train"
    assert conditions_in_turn(method_of(classes(3)), data, 5).rows.tolist() == [0, 1, 2, 0, 1]


def test_no_row_of_a_plan_comes_thrice_before_all_come_twice() -> None:
    rows, method = torch.arange(12.0).view(6, 2), method_of(Embeddings(2))

    def plan(seed: int) -> list[float]:
        return plan_conditions(method, Data(rows), 12, seed=seed)[0].rows[:, 0].tolist()

    planned = plan(4)
    assert sorted(planned[:6]) == sorted(planned[6:]) == rows[:, 0].tolist()
    assert planned[:6] != planned[6:]
    assert planned == plan(4) != plan(5)
    assert plan_conditions(method, Data(rows), 4)[1].startswith("those of the train split")


class Copier:
    """Draws real digits of the class that it is asked for, or of another."""

    def __init__(self, data: Digits, shift: int) -> None:
        self.store = data.store("train")
        self.shift = shift

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        assert condition is not None
        chance = noise.normal(count, 1).squeeze(1).sigmoid()
        rows = []
        for label, part in zip(condition.tolist(), chance.tolist(), strict=True):
            of_class = (self.store.conditions[:] == (label + self.shift) % 10).nonzero().squeeze(1)  # type: ignore[index]
            rows.append(int(of_class[int(part * len(of_class))]))
        return self.store.batch(torch.tensor(rows)).x


def test_a_method_that_draws_the_wrong_class_is_found_out_by_class_alone() -> None:
    data = Digits()
    evaluator = Evaluator(count=600, scores=["fid", "by_class", "agreement"])
    evaluator.set_reference(data)
    planned, _ = plan_conditions(method_of(data.condition), data, 600)
    device = torch.device("cpu")
    right, wrong = (
        evaluator.score_method(Copier(data, shift).sample, device, conditions=planned).values for shift in (0, 1)
    )
    assert wrong["fid_digits"] == pytest.approx(right["fid_digits"], abs=10)
    assert right["agreement_digits"] > 0.95
    assert wrong["agreement_digits"] < 0.05
    assert right["cas_linear_digits"] > 0.95
    assert wrong["cas_linear_digits"] < 0.1
    assert wrong["fid_class_mean_digits"] > 5 * right["fid_class_mean_digits"]
    assert right["fid_class_worst_digits"] >= right["fid_class_mean_digits"]


class Shrinks:
    """Is given its own images at half the size."""

    condition = SourceImages((1, 4, 4))
    derives_condition = True

    def condition_of(self, batch: Batch) -> Tensor:
        return LowResolution(2)(batch.x)


@pytest.mark.parametrize("count", [3, 80, 400])
def test_a_condition_that_is_made_of_samples_is_that_of_unseen_ones(count: int) -> None:
    data = Digits(size=8)
    test = data.store("test")
    expected = to_uint8(LowResolution(2)(to_float(test.samples[:])))
    in_turn = conditions_in_turn(Shrinks(), data, count)
    assert torch.equal(in_turn.rows, expected[torch.arange(count) % len(test)])
    planned, words = plan_conditions(Shrinks(), data, count)
    assert words == "those of the test split, each as often as any other"
    assert planned.rows.shape == (count, 1, 4, 4)
    # As they are stored: a method is given the same as in training.
    assert torch.equal(planned.load(), to_float(planned.rows))
    if count < len(test):
        assert all((expected == row).flatten(1).all(1).any() for row in planned.rows)


def test_classes_come_in_turn_and_others_as_they_come() -> None:
    data = Data(torch.arange(12.0).view(6, 2), torch.arange(8.0).view(4, 2))
    assert conditions_in_turn(method_of(classes(3)), data, 5).rows.tolist() == [0, 1, 2, 0, 1]
    assert conditions_in_turn(method_of(Embeddings(2)), data, 6).rows[:, 0].tolist() == [0, 2, 4, 6, 0, 2]
