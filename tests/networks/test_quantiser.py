"""Vector quantisation: the closed forms of its loss and gradients, and what keeps codes in use."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.networks.quantiser import VectorQuantiser
from genbench.perplexity import perplexity


def make(codes: int = 5, channels: int = 3, **settings: Any) -> VectorQuantiser:
    torch.manual_seed(0)
    quantiser = VectorQuantiser(codes, channels, **settings)
    with torch.no_grad():
        quantiser.embedding.weight.normal_()
        if quantiser.decay:
            quantiser.sums.copy_(quantiser.embedding.weight)
    return quantiser


def maps(count: int = 2, channels: int = 3) -> Tensor:
    return torch.randn(count, channels, 4, 2, generator=torch.Generator().manual_seed(1), requires_grad=True)


@pytest.mark.parametrize("normalised", [False, True])
def test_each_vector_becomes_the_nearest_code(normalised: bool) -> None:
    quantiser, z = make(normalised=normalised), maps()
    z_q, codes, _ = quantiser(z)
    vectors = z.permute(0, 2, 3, 1)
    vectors = vectors / vectors.norm(dim=-1, keepdim=True) if normalised else vectors
    distances = torch.cdist(vectors.flatten(0, 2), quantiser.table)
    assert torch.equal(codes.flatten(), distances.argmin(1))
    torch.testing.assert_close(z_q, quantiser.look_up(codes))
    # Codes are their own nearest ones.
    again = quantiser(z_q.detach())
    assert torch.equal(again.codes, codes)
    assert again.loss.item() == pytest.approx(0, abs=1e-12)


def test_gradients_pass_straight_through() -> None:
    quantiser, z = make(beta=0.0), maps()
    g = torch.randn(2, 3, 4, 2)
    z_q, _, _ = quantiser(z)
    (gradient,) = torch.autograd.grad((z_q * g).sum(), z)
    assert torch.equal(gradient, g)


@pytest.mark.parametrize(("form", "of_codes", "of_vectors"), [("paper", 1.0, 0.25), ("taming", 0.25, 1.0)])
def test_beta_weighs_one_of_the_two_terms(form: Any, of_codes: float, of_vectors: float) -> None:
    quantiser, z = make(form=form), maps()
    _, codes, loss = quantiser(z)
    loss.backward()
    vectors = z.detach().permute(0, 2, 3, 1)
    difference = vectors - quantiser.embedding.weight.detach()[codes]
    assert loss.item() == pytest.approx(1.25 * difference.square().mean().item(), rel=1e-5)
    torch.testing.assert_close(z.grad.permute(0, 2, 3, 1), of_vectors * 2 * difference / difference.numel())
    expected = torch.zeros(5, 3).index_add_(0, codes.flatten(), -2 * difference.flatten(0, 2) / difference.numel())
    torch.testing.assert_close(quantiser.embedding.weight.grad, of_codes * expected)


def test_codes_that_are_moving_averages_reach_the_means_of_their_vectors() -> None:
    quantiser = make(codes=2, channels=1, decay=0.9)
    with torch.no_grad():
        quantiser.embedding.weight.copy_(torch.tensor([[-0.3], [0.4]]))
        quantiser.sums.copy_(quantiser.embedding.weight)
    z = torch.tensor([-2.0, -1.0, 3.0, 5.0, 4.0]).view(1, 1, 5, 1)
    for _ in range(200):
        quantiser(z)
        quantiser.settle()
    torch.testing.assert_close(quantiser.embedding.weight, torch.tensor([[-1.5], [4.0]]))
    assert not quantiser.embedding.weight.requires_grad
    torch.testing.assert_close(quantiser.usage, torch.tensor([2.0, 3.0]), rtol=0.2, atol=0)


def test_codes_without_use_are_replaced_by_vectors_of_the_batch_and_others_are_not() -> None:
    quantiser, z = make(codes=4, channels=1, restart_below=0.5), torch.linspace(9, 10, 20).view(1, 1, 20, 1)
    with torch.no_grad():
        quantiser.embedding.weight.copy_(torch.tensor([[9.5], [-50.0], [-60.0], [-70.0]]))
    for _ in range(60):
        quantiser(z)
        quantiser.settle()
    # Usage falls by a hundredth a step, from 1.
    assert quantiser.embedding.weight.tolist()[1] == [-50.0]
    for _ in range(20):
        quantiser(z)
        quantiser.settle()
    weight = quantiser.embedding.weight.detach()[:, 0]
    assert weight[0] == 9.5
    assert ((weight[1:] >= 9) & (weight[1:] <= 10)).all()
    assert quantiser(z).codes.unique().numel() > 1


def test_nothing_is_remembered_or_moved_in_evaluation() -> None:
    quantiser = make(decay=0.5, restart_below=10.0).eval()
    before = {name: value.clone() for name, value in quantiser.state_dict().items()}
    quantiser(maps())
    quantiser.settle()
    assert all(torch.equal(value, before[name]) for name, value in quantiser.state_dict().items())


def test_perplexity_is_how_many_codes_are_used_alike() -> None:
    assert perplexity(torch.full((8,), 3.0)).item() == pytest.approx(8)
    assert perplexity(torch.tensor([0.0, 5.0, 0.0])).item() == pytest.approx(1)
    assert perplexity(torch.tensor([1.0, 3.0])).item() == pytest.approx(
        math.exp(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"codes": 0}, "codes must be at least 1"),
        ({"form": "both"}, "form must be paper or taming"),
        ({"decay": 1.0}, r"decay must be in \[0, 1\)"),
        ({"beta": -1.0}, "beta=-1"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VectorQuantiser(**{"codes": 2, "channels": 2, **settings})


def test_codes_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="codes must be from 0 to 4"):
        make().look_up(torch.tensor([[[5]]]))


def test_a_moving_average_that_is_not_used_any_more_stays_where_it_is() -> None:
    quantiser = make(codes=4, channels=2, decay=0.9)
    begun = quantiser.embedding.weight.detach().clone()
    far = begun[0].view(1, 2, 1, 1).expand(1, 2, 4, 4)
    for _ in range(400):
        quantiser.train()(far)
        quantiser.settle()
    torch.testing.assert_close(quantiser.embedding.weight, begun, atol=1e-5, rtol=0)
    # One that is found again follows its vectors.
    quantiser(begun[2].view(1, 2, 1, 1).expand(1, 2, 4, 4) * 1.01)
    quantiser.settle()
    torch.testing.assert_close(quantiser.embedding.weight[2], 1.01 * begun[2], atol=1e-3, rtol=0)
