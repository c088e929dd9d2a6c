"""Times that a training step looks at, and the weights that keep its loss a mean over all times."""

import pytest
import torch

from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.times import BalancedSteps, ContinuousSteps, EvenLevels, EvenSteps, EvenTimes, ImportanceSteps

CPU = torch.device("cpu")


def warmed(losses: torch.Tensor) -> ImportanceSteps:
    times = ImportanceSteps(len(losses))
    t = torch.arange(1, len(losses) + 1) / len(losses)
    for _ in range(10):
        assert torch.equal(times.probabilities(), torch.full((len(losses),), 1 / len(losses)))
        times.observe(t, losses)
    return times


def test_steps_come_as_often_as_their_losses_are_large() -> None:
    times = warmed(torch.tensor([1.0, 2.0, 5.0, 8.0]))
    torch.testing.assert_close(
        times.probabilities(), 0.999 * torch.tensor([1.0, 2.0, 5.0, 8.0]) / 16 + 0.001 / 4, rtol=1e-5, atol=0
    )
    torch.manual_seed(0)
    t, _ = times.draw(20_000, CPU)
    shares = torch.bincount((t * 4).round().long() - 1) / 20_000
    torch.testing.assert_close(shares, times.probabilities(), atol=0.015, rtol=0)


def test_a_weighed_loss_has_the_mean_over_all_steps_and_less_noise() -> None:
    losses = torch.tensor([0.1, 0.2, 0.3, 9.0])
    times = warmed(losses)
    torch.manual_seed(0)
    t, weights = times.draw(20_000, CPU)
    weighed = weights * losses[(t * 4).round().long() - 1]
    assert weighed.mean().item() == pytest.approx(losses.mean().item(), rel=0.01)
    assert weighed.std() < 0.1 * losses.std()


def test_only_the_ten_latest_losses_count_and_they_are_saved() -> None:
    times = warmed(torch.tensor([3.0, 1.0]))
    for _ in range(10):
        times.observe(torch.tensor([0.5, 1.0]), torch.tensor([1.0, 1.0]))
    assert times.probabilities().tolist() == pytest.approx([0.5, 0.5])
    again = ImportanceSteps(2)
    again.load_state_dict(times.state_dict())
    assert torch.equal(again.probabilities(), times.probabilities())


def test_a_step_that_comes_several_times_is_remembered_as_often() -> None:
    times = ImportanceSteps(4)
    times.observe(torch.tensor([0.5, 0.25, 0.5, 0.5]), torch.tensor([1.0, 9.0, 2.0, 3.0]))
    times.observe(torch.tensor([0.5]), torch.tensor([4.0]))
    assert times.counts.tolist() == [1, 4, 0, 0]
    assert times.losses[1, :5].tolist() == [1, 2, 3, 4, 0]
    assert times.losses[0, 0] == 9


def test_balanced_losses_are_alike_at_all_times_and_have_the_mean_of_all() -> None:
    torch.manual_seed(0)
    times = BalancedSteps(1000)
    of_step = torch.logspace(-4, 1, 1000)
    for _ in range(200):
        t, _ = times.draw(64, CPU)
        times.observe(t, of_step[(t * 1000).round().long() - 1])
    t, weights = times.draw(20_000, CPU)
    weighed = weights * of_step[(t * 1000).round().long() - 1]
    assert weighed.mean().item() == pytest.approx(of_step.mean().item(), rel=0.05)
    assert weighed.std() < 0.15 * weighed.mean()
    # They are drawn as in `EvenSteps`, and what was seen is saved.
    again = BalancedSteps(1000)
    again.load_state_dict(times.state_dict())
    drawn = []
    for each in (times, again, EvenSteps(1000)):
        torch.manual_seed(1)
        drawn.append(each.draw(100, CPU))
    assert torch.equal(drawn[0][1], drawn[1][1])
    assert torch.equal(drawn[0][0], drawn[2][0])


def test_balanced_losses_follow_changes_and_wait_for_the_first() -> None:
    times = BalancedSteps(4)
    quarters = torch.tensor([0.25, 0.5, 0.75, 1.0])
    assert (times.draw(9, CPU)[1] == 1).all()
    times.observe(quarters[:2].repeat(2), torch.tensor([1.0, 2.0, 3.0, 6.0]))
    t, weights = times.draw(100, CPU)
    # Means of 2 and 4; what was never seen counts as the mean of both.
    expected = torch.tensor([1.5, 0.75, 1.0, 1.0])
    torch.testing.assert_close(weights, expected[(t * 4).long() - 1])
    for _ in range(200):
        times.observe(quarters, torch.tensor([1.0, 1.0, 2.0, 4.0]))
    t, weights = times.draw(100, CPU)
    torch.testing.assert_close(weights, torch.tensor([2.0, 2.0, 1.0, 0.5])[(t * 4).long() - 1], atol=1e-3, rtol=0)


def test_continuous_times_begin_at_the_first() -> None:
    torch.manual_seed(0)
    t, weights = EvenTimes(0.01).draw(10_000, CPU)
    assert 0.01 <= t.min() < 0.02
    assert 0.99 < t.max() <= 1
    assert t.mean().item() == pytest.approx(0.505, abs=0.01)
    assert (weights == 1).all()


def test_the_steps_of_a_chain_come_alike() -> None:
    torch.manual_seed(0)
    t, weights = EvenSteps(4).draw(8000, CPU)
    torch.testing.assert_close(
        torch.bincount((t * 4).round().long()) / 8000, torch.tensor([0, *[0.25] * 4]), atol=0.02, rtol=0
    )
    assert set(t.tolist()) == {0.25, 0.5, 0.75, 1}
    assert (weights == 1).all()


def test_importance_weights_are_one_over_t_p() -> None:
    times = warmed(torch.tensor([1.0, 3.0]))
    t, weights = times.draw(100, CPU)
    expected = 1 / (2 * times.probabilities())
    torch.testing.assert_close(weights, expected[(t * 2).long() - 1])
    # They are drawn evenly until each has ten losses.
    fresh = ImportanceSteps(2)
    for _ in range(9):
        fresh.observe(torch.tensor([0.5, 1.0]), torch.tensor([1.0, 3.0]))
    fresh.observe(torch.tensor([0.5]), torch.tensor([1.0]))
    assert fresh.probabilities().tolist() == [0.5, 0.5]
    assert (fresh.draw(9, CPU)[1] == 1).all()


def test_levels_are_drawn_evenly_with_both_ends() -> None:
    torch.manual_seed(0)
    t, weights = EvenLevels(5).draw(20_000, CPU)
    assert (weights == 1).all()
    places, counts = t.unique(return_counts=True)
    torch.testing.assert_close(places, torch.linspace(0, 1, 5))
    torch.testing.assert_close(counts / 20_000, torch.full((5,), 0.2), atol=0.015, rtol=0)
    with pytest.raises(ValueError, match="at least 2"):
        EvenLevels(1)


def test_continuous_steps_have_levels_spread_evenly_within_each_step() -> None:
    process = DiscreteProcess("cosine", 4)
    torch.manual_seed(0)
    t, weights = ContinuousSteps(process).draw(40_000, CPU)
    assert torch.equal(weights, torch.ones(40_000))
    ends = process.alpha(torch.arange(5, dtype=torch.float64) / 4)
    place = (t * 4).long()
    torch.testing.assert_close(torch.bincount(place) / 40_000, torch.full((4,), 0.25), atol=0.01, rtol=0)
    for step in range(4):
        alpha = process.alpha(t[place == step].double())
        # Of a uniform distribution between both ends.
        fraction = (alpha - ends[step + 1]) / (ends[step] - ends[step + 1])
        assert fraction.mean().item() == pytest.approx(0.5, abs=0.01)
        assert fraction.var().item() == pytest.approx(1 / 12, abs=0.003)
        assert fraction.min() >= -1e-5
        assert fraction.max() <= 1 + 1e-5
