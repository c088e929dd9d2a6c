"""StyleCLIP's mapper: the authors' sizes, its loss, and what it learns with a CLIP that knows brightness."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from genbench.batch import Batch
from genbench.medium import Images
from genbench.methods.adversarial.styleclip_mapper import StyleCLIPMapper
from genbench.networks.style_mapper import StyleMapper
from genbench.parts import freeze, frozen_in
from genbench.randomness import Noise
from tests.editing.test_styled_editors import method as stylegan
from tests.embedders import Brightness
from tests.kinds import classes


def parameters(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


def mapper(**settings: Any) -> StyleCLIPMapper:
    generator, clip = stylegan(**settings.pop("generator", {})), Brightness()
    for each in (generator, clip):
        freeze(each)
    adam = partial(torch.optim.Adam, lr=0.02)
    torch.manual_seed(0)
    words: dict[str, Any] = {"prompt": "bright", "optimizer": adam, "ema_decay": 0.0, **settings}
    return StyleCLIPMapper(Images((1, 16, 16)), generator=generator, embedder=clip, **words)


def test_the_authors_parameters() -> None:
    with torch.device("meta"):
        assert parameters(StyleMapper(512)) == 3_151_872
        assert parameters(StyleMapper(512, ("medium",))) == 1_050_624


def test_levels_that_are_left_out_stay() -> None:
    w = torch.randn(2, 18, 8)
    moved = StyleMapper(8, ("medium",))(w)
    assert moved.shape == w.shape
    assert moved[:, :4].abs().max() == 0
    assert moved[:, 8:].abs().max() == 0
    assert (moved[:, 4:8].abs() > 0).any()
    # A generator of few layers has no fine ones.
    assert StyleMapper(8)(torch.randn(2, 6, 8)).shape == (2, 6, 8)
    assert StyleMapper(8, ("fine",))(torch.randn(2, 6, 8)).abs().max() == 0


def test_a_mapper_that_adds_nothing_is_the_generator() -> None:
    method = mapper()
    for parameter in method.average.module.parameters():
        parameter.data.zero_()
    z = torch.randn(3, 8)
    torch.testing.assert_close(method.decode(z), method.generator.decode(z))


def test_the_loss_is_the_sum_of_its_terms() -> None:
    method = mapper(l2=0.5, identity=(identity := Brightness()), identity_weight=2.0)
    freeze(identity)
    method.identity = identity
    loss, terms = method.loss(Batch(torch.zeros(4, 1, 16, 16), None))
    expected = terms["loss/clip"] + 0.5 * terms["loss/l2"] + 2 * terms["loss/identity"]
    torch.testing.assert_close(loss, expected)
    assert {*frozen_in(method)} == {"generator", "embedder", "identity"}


def test_it_learns_to_make_images_brighter() -> None:
    method = mapper(l2=0.0, strength=1.0)
    noise = Noise(0, 0)
    before = float(method.generator.decode(noise.normal(8, 8)).mean())
    optimizer = torch.optim.Adam(method.mapper.parameters(), lr=1.0)
    for _ in range(60):
        optimizer.zero_grad()
        method.loss(Batch(torch.zeros(8, 1, 16, 16), None))[0].backward()
        optimizer.step()
    method.average.update_parameters(method.mapper)
    after = float(method.sample(8, noise=Noise(0, 0)).mean())
    assert after > before + 0.1
    # Half of the way is half of the movement.
    w = method.generator.styles(torch.randn(2, 8))
    torch.testing.assert_close(method.lead(w, 0.5) - w, (method.lead(w) - w) / 2)
    assert all(each.grad is None for each in method.generator.parameters())


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="purple"):
        mapper(prompt="purple")
    with pytest.raises(ValueError, match="strength"):
        mapper(strength=0)
    with pytest.raises(ValueError, match="levels"):
        mapper(levels=["huge"])
    with pytest.raises(ValueError, match=r"parts\.identity"):
        mapper(identity_weight=1.0)
    with pytest.raises(ValueError, match="does not have"):
        mapper(generator={"condition": classes(3), "conditional": True})
