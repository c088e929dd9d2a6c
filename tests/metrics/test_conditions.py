"""Which conditions a score's images are drawn for, and the scores class by class."""

import pytest
import torch
from torch import Tensor

from genbench.data.digits import Digits
from genbench.metrics.conditions import plan_conditions
from genbench.metrics.evaluator import Evaluator
from genbench.randomness import Noise


def test_labels_keep_the_proportions_of_the_data() -> None:
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    planned = plan_conditions(labels, 1000)
    assert torch.bincount(planned).tolist() == [500, 300, 200]
    assert torch.bincount(plan_conditions(labels, 7)).tolist() in ([4, 2, 1], [3, 2, 2])
    assert not torch.equal(planned, planned.sort().values)
    assert torch.equal(planned, plan_conditions(labels, 1000))


def test_other_conditions_are_the_datas_own_rows() -> None:
    rows = torch.arange(12.0).view(6, 2)
    planned = plan_conditions(rows, 15)
    counts = [int((planned == row).all(1).sum()) for row in rows]
    assert sorted(counts) == [2, 2, 2, 3, 3, 3]


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
    evaluator = Evaluator(count=600, scores=["fid", "by_class"])
    evaluator.set_reference(data)
    planned = plan_conditions(data.store("train").conditions[:], 600)  # type: ignore[index]
    device = torch.device("cpu")
    right, wrong = (
        evaluator.score_method(Copier(data, shift).sample, device, conditions=planned).values for shift in (0, 1)
    )
    assert wrong["fid_digits"] == pytest.approx(right["fid_digits"], abs=10)
    assert right["cas_linear_digits"] > 0.95
    assert wrong["cas_linear_digits"] < 0.1
    assert wrong["fid_class_mean_digits"] > 5 * right["fid_class_mean_digits"]
    assert right["fid_class_worst_digits"] >= right["fid_class_mean_digits"]
