"""The transformer of codes: its likelihood, how codes are drawn, and what precedes them."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.attributes import Attributes
from genbench.conditions.captions import Captions
from genbench.medium import Images
from genbench.methods.autoregressive.code_transformer import CodeTransformer, filtered
from genbench.networks.gpt import GPT
from genbench.randomness import Noise
from tests.kinds import classes

CAPTIONS = Captions(["a", "one", "two"], 4)
NETWORK = partial(GPT, width=16, layers=2, heads=2)


class Levels(nn.Module):
    """Codes are the pixels' levels, of K, of images of one channel."""

    is_part = True
    latent_shape = (1, 2, 3)

    def __init__(self, codes: int = 5) -> None:
        super().__init__()
        self.codes, self.medium = codes, Images((1, 2, 3))

    def encode_codes(self, x: Tensor) -> Tensor:
        return ((x[:, 0] + 1) / 2 * (self.codes - 1)).round().long()

    def decode_codes(self, codes: Tensor) -> Tensor:
        return codes[:, None] / (self.codes - 1) * 2 - 1


def make(**settings: Any) -> CodeTransformer:
    torch.manual_seed(0)
    defaults: dict[str, Any] = {
        "condition": None,
        "first_stage": Levels(),
        "optimizer": partial(torch.optim.Adam, lr=1e-2),
        "ema_decay": 0.0,
    }
    method = CodeTransformer(NETWORK, Images((1, 2, 3)), **(defaults | settings))
    with torch.no_grad():
        for network in (method.transformer, method.average.module):
            torch.manual_seed(1)
            network.to_logits.weight.normal_()
    return method


def every_image(codes: int) -> Tensor:
    """Return all images of codes from 0 to codes - 1."""
    grids = torch.cartesian_prod(*[torch.arange(codes)] * 6).view(-1, 2, 3)
    return Levels(codes).decode_codes(grids)


def test_the_probabilities_of_all_images_add_up_to_one() -> None:
    method = make(first_stage=Levels(3))
    bits = method.bits_per_code(every_image(3))
    assert (2 ** (-6 * bits.double())).sum().item() == pytest.approx(1, rel=1e-4)


def test_the_loss_is_the_negative_log_likelihood() -> None:
    method = make(condition=classes(3), conditional=True)
    x, y = Levels().decode_codes(torch.randint(5, (4, 2, 3))), torch.tensor([0, 1, 2, 0])
    loss, figures = method.loss(Batch(x, y))
    bits = method.bits_per_code(x, y).mean()
    assert figures["loss/bits_per_code"].item() == pytest.approx(bits.item(), rel=1e-5)
    assert loss.item() == pytest.approx(bits.item() * math.log(2), rel=1e-5)


def test_images_come_as_often_as_the_likelihood_says() -> None:
    method = make(first_stage=Levels(2))
    images = every_image(2)
    probabilities = 2 ** (-6 * method.bits_per_code(images).double())
    drawn = method.sample(6000, noise=Noise(0))
    found = (drawn[:, None] == images).flatten(2).all(2).double().mean(0)
    assert (found - probabilities).abs().sum().item() < 0.08


@pytest.mark.parametrize("condition", [None, classes(3), CAPTIONS])
def test_samples_depend_on_their_number_and_their_condition_alone(condition: Any) -> None:
    method = make(condition=condition, conditional=condition is not None)
    rows = (
        None
        if condition is None
        else (torch.arange(70) % 3 if condition is not CAPTIONS else CAPTIONS.encode(["a one", "two"] * 35))
    )
    many = method.sample(70, rows, noise=Noise(3))
    few = method.sample(5, None if rows is None else rows[:5], noise=Noise(3))
    assert torch.equal(many[:5], few)
    if rows is not None:
        other = method.sample(70, rows.flip(0), noise=Noise(3))
        assert not torch.equal(many, other)


def test_guidance_leads_away_from_the_null_condition() -> None:
    method = make(condition=classes(3), conditional=True, condition_dropout=0.1, guidance=2.0)
    prefixes = method._prefixes(torch.tensor([1]), 1)
    assert [each.tolist() for each in prefixes] == [[[6]], [[8]]]
    one, none = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 3.0]])
    torch.testing.assert_close(method._guided([one, none]), one + 2 * (one - none))


def test_a_window_of_the_whole_map_is_ordinary_sampling() -> None:
    method = make(condition=classes(3), conditional=True)
    rows = torch.tensor([0, 1, 2])
    ordinary = method.sample(3, rows, noise=Noise(0))
    assert torch.equal(method.sample_larger(3, 2, 3, rows, noise=Noise(0)), ordinary)
    larger = method.sample_larger(3, 4, 5, rows, noise=Noise(0))
    assert larger.shape == (3, 1, 4, 5)
    # The first codes are drawn in the same window.
    assert torch.equal(larger[:, :, 0, :2], ordinary[:, :, 0, :2])
    with pytest.raises(ValueError, match="1 x 3 codes are smaller than the 2 x 3"):
        method.sample_larger(3, 1, 3, rows, noise=Noise(0))


def test_only_the_most_probable_codes_are_drawn() -> None:
    logits = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log()
    kept = [
        each.isfinite()[0].tolist()
        for each in (
            filtered(logits, 2, 1.0),
            filtered(logits, 0, 0.65),
            filtered(logits, 0, 1.0),
            filtered(logits, 9, 0.01),
        )
    ]
    assert kept[0] == [False, True, False, True]
    assert kept[1] == [False, True, False, True]
    assert kept[2] == [True] * 4
    assert kept[3] == [False, True, False, False]


def test_codes_are_picked_by_the_numbers_that_are_drawn() -> None:
    method = make(first_stage=Levels(4), top_k=3)
    logits = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log().expand(5, -1)
    # Of 4/9, 2/9 and 3/9; the first code is left out.
    numbers = torch.tensor([0.0, 0.44, 0.45, 0.67, 0.9999999])
    assert method.pick(logits, numbers).tolist() == [1, 1, 2, 3, 3]
    cold = make(first_stage=Levels(4), temperature=1e-3)
    assert cold.pick(logits, torch.tensor([0.0, 0.2, 0.5, 0.8, 0.999])).tolist() == [1] * 5


def test_some_codes_are_replaced_in_training() -> None:
    method, seen = make(random_codes=0.5), []
    method.transformer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    codes = torch.zeros(400, 2, 3, dtype=torch.int64)
    method.loss(Batch(Levels().decode_codes(codes), None))
    given = seen[0][:, 1:]
    assert (given == 0).float().mean().item() == pytest.approx(0.5 + 0.5 / 5, abs=0.05)
    assert given.max() == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top_p": 0.0}, r"top_p=0.0 in \(0, 1\]"),
        ({"temperature": 0.0}, "temperature=0.0 positive"),
        ({"guidance": 1.0}, "guidance takes conditional=true"),
        ({"condition": Attributes(["Smiling"]), "conditional": True}, "takes classes or captions"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_ties_and_the_lowest_temperatures() -> None:
    equal = torch.zeros(1, 4)
    assert int(filtered(equal, 1, 1.0).isfinite().sum()) == 1
    method = make(first_stage=Levels(4), temperature=1e-40)
    logits = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log()
    assert method.pick(logits, torch.tensor([0.99])).tolist() == [1]
