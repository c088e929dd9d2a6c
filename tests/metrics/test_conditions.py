"""Which conditions a score's images are drawn for, and the scores class by class."""

import pytest
import torch
from torch import Tensor

from genbench.data.digits import Digits
from genbench.data.store import ImageStore
from genbench.metrics.conditions import conditions_in_turn, held_out, plan_conditions
from genbench.metrics.evaluator import Evaluator
from genbench.randomness import Noise


class Data:
    """Conditions of a training and of a test split."""

    num_classes = None

    def __init__(self, train: Tensor, test: Tensor | None = None, source_shape: tuple[int, ...] | None = None) -> None:
        self.conditions = {"train": train} | ({} if test is None else {"test": test})
        self.splits = tuple(self.conditions)
        self.source_shape = source_shape

    def store(self, split: str) -> ImageStore:
        return ImageStore(torch.zeros(len(self.conditions[split]), 1, 2, 2), self.conditions[split])


def test_labels_keep_the_proportions_of_the_training_images() -> None:
    data = Data(torch.tensor([0] * 50 + [1] * 30 + [2] * 20), torch.tensor([1]))
    planned, words = plan_conditions(data, 1000)
    assert words == "in the training images' proportions"
    assert torch.bincount(planned).tolist() == [500, 300, 200]
    assert not torch.equal(planned, planned.sort().values)
    assert torch.equal(planned, plan_conditions(data, 1000)[0])
    assert not torch.equal(planned, plan_conditions(data, 1000, seed=1)[0])
    # The largest remainder gets what rounding left over: of 3.5, 2.1 and 1.4 the first.
    assert torch.bincount(plan_conditions(data, 7)[0]).tolist() == [4, 2, 1]
    assert plan_conditions(Data(data.conditions["train"].int()), 9)[0].dtype == torch.int32


@pytest.mark.parametrize("test", [True, False])
def test_other_conditions_are_rows_that_the_method_never_saw_if_there_are_any(test: bool) -> None:
    rows, others = torch.arange(12.0).view(6, 2), -torch.ones(4, 2)
    data = Data(others, rows) if test else Data(rows)
    planned, words = plan_conditions(data, 15)
    assert words == f"those of the {'test' if test else 'train'} split, each as often as any other"
    counts = [int((planned == row).all(1).sum()) for row in rows]
    assert sorted(counts) == [2, 2, 2, 3, 3, 3]


def test_a_pictures_conditions_come_in_turn() -> None:
    data = Data(torch.arange(12.0).view(6, 2), -torch.arange(8.0).view(4, 2))
    assert conditions_in_turn(data, 6)[:, 0].tolist() == [0, -2, -4, -6, 0, -2]
    assert conditions_in_turn(data, 3)[:, 0].tolist() == [0, -2, -4]
    assert held_out(data) == "test"
    assert held_out(Data(torch.zeros(2, 2))) == "train"
    data.num_classes = 3  # type: ignore[assignment]
    assert conditions_in_turn(data, 5).tolist() == [0, 1, 2, 0, 1]


def test_no_row_of_a_plan_comes_thrice_before_all_come_twice() -> None:
    rows = torch.arange(12.0).view(6, 2)
    planned = plan_conditions(Data(rows), 12, seed=4)[0][:, 0].tolist()
    assert sorted(planned[:6]) == sorted(planned[6:]) == rows[:, 0].tolist()
    assert planned[:6] != planned[6:]
    assert planned == plan_conditions(Data(rows), 12, seed=4)[0][:, 0].tolist()
    assert planned != plan_conditions(Data(rows), 12, seed=5)[0][:, 0].tolist()
    # Classes may also be sources: of a data set of pairs they are images.
    assert plan_conditions(Data(torch.arange(4), source_shape=(1, 2, 2)), 4)[1].startswith("those of the train split")


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
        return self.store.batch(torch.tensor(rows)).image


def test_a_method_that_draws_the_wrong_class_is_found_out_by_class_alone() -> None:
    data = Digits()
    evaluator = Evaluator(count=600, scores=["fid", "by_class", "agreement"])
    evaluator.set_reference(data)
    planned, _ = plan_conditions(data, 600)
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
