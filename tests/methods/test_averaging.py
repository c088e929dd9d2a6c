"""The average of a network against its recurrence."""

from typing import Any

import pytest
import torch
from torch import nn

from genbench.methods.averaging import AveragedNetwork


def test_follows_the_recurrence_with_its_warm_up() -> None:
    network, decay = nn.Linear(1, 1, bias=False), 0.5
    average = AveragedNetwork(network, decay)
    expected = 0.0
    for n, weight in enumerate([3.0, 5.0, -1.0, 2.0, 8.0]):
        nn.init.constant_(network.weight, weight)
        average.update_parameters(network)
        past = 0.0 if n == 0 else min(decay, (1 + n) / (10 + n))
        expected = past * expected + (1 - past) * weight
    assert average.module.weight.item() == pytest.approx(expected)


def test_in_the_long_run_the_past_weighs_decay() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = AveragedNetwork(network, 0.9)
    nn.init.constant_(network.weight, 0.0)
    for _ in range(100):
        average.update_parameters(network)
    nn.init.constant_(network.weight, 1.0)
    average.update_parameters(network)
    assert average.module.weight.item() == pytest.approx(0.1)


def test_batchnorm_statistics_are_averaged_and_used() -> None:
    network = nn.BatchNorm1d(3)
    average = AveragedNetwork(network, 0.0)
    network(torch.randn(64, 3) * 4 + 7)
    average.update_parameters(network)
    assert torch.equal(average.module.running_mean, network.running_mean)
    x = torch.randn(2, 3)
    assert torch.equal(average(x), network.eval()(x))


def test_stays_in_evaluation_mode_without_gradients() -> None:
    holder = nn.ModuleDict({"average": AveragedNetwork(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), 0.9)})
    holder.train()
    assert not any(module.training for module in holder["average"].modules())
    assert not any(parameter.requires_grad for parameter in holder.parameters())
    assert not holder["average"](torch.randn(3, 2)).requires_grad


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5])
def test_decays_that_do_not_do(decay: float) -> None:
    with pytest.raises(ValueError, match="ema_decay"):
        AveragedNetwork(nn.Linear(1, 1), decay)


def test_a_resumed_average_goes_on_where_it_was() -> None:
    network = nn.Linear(1, 1)
    whole = AveragedNetwork(network, 0.999)
    resumed = AveragedNetwork(network, 0.999)
    for number in range(6):
        with torch.no_grad():
            network.weight.fill_(float(number**2))
        if number == 3:
            resumed.load_state_dict(whole.state_dict())
        for average in (whole, resumed):
            average.update_parameters(network)
        assert int(whole.n_averaged) == number + 1
    # The early averages forget fast, so the count matters.
    assert torch.equal(resumed.module.weight, whole.module.weight)
    assert int(resumed.n_averaged) == 6


def follow(weights: list[float], **settings: Any) -> list[float]:
    """Return the average after each of a network's updates to these weights."""
    network = nn.Linear(1, 1, bias=False)
    average = AveragedNetwork(network, 0.9, **settings)
    seen = []
    for weight in weights:
        nn.init.constant_(network.weight, weight)
        average.update_parameters(network)
        seen.append(average.module.weight.item())
    return seen


def test_without_a_warm_up_the_decay_is_that_from_the_second_update_on() -> None:
    assert follow([1.0, 2.0, 3.0], warmup=False) == pytest.approx([1.0, 1.1, 1.29])


def test_before_its_start_the_average_is_a_copy() -> None:
    assert follow([1.0, 5.0, 2.0, 3.0, 4.0], start=3, warmup=False)[:4] == [1.0, 5.0, 2.0, 3.0]
    assert follow([1.0, 5.0, 2.0, 3.0, 4.0], start=3, warmup=False)[4] == pytest.approx(0.9 * 3 + 0.1 * 4)
    # Then it is as if it began there, the warm-up included.
    assert follow([9.0, 9.0, 1.0, 2.0, 3.0], start=2)[2:] == pytest.approx(follow([1.0, 2.0, 3.0]))


def test_every_third_update_enters_the_average() -> None:
    seen = follow([float(number) for number in range(1, 10)], every=3, warmup=False)
    assert seen[:3] == [1.0, 2.0, 3.0]
    assert seen[3:] == pytest.approx([3.0, 3.0, 3.3, 3.3, 3.3, 0.9 * 3.3 + 0.9])


def test_start_and_interval_are_resumed_exactly() -> None:
    network, settings = nn.Linear(1, 1), {"start": 2, "every": 3}
    whole, resumed = (AveragedNetwork(network, 0.999, **settings) for _ in range(2))  # type: ignore[arg-type]
    for number in range(12):
        with torch.no_grad():
            network.weight.fill_(float(number**2))
        if number == 7:
            resumed.load_state_dict(whole.state_dict())
        for average in (whole, resumed):
            average.update_parameters(network)
    assert torch.equal(resumed.module.weight, whole.module.weight)


@pytest.mark.parametrize("settings", [{"start": -1}, {"every": 0}])
def test_starts_and_intervals_that_do_not_do(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"ema_{next(iter(settings))}"):
        AveragedNetwork(nn.Linear(1, 1), 0.9, **settings)
