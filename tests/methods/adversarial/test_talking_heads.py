"""Talking heads: the losses written out, what a new person begins with, and what is refused."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from genbench.abilities import Animates, FindsKeypoints
from genbench.batch import Batch
from genbench.conditions.posed import Posed
from genbench.conditions.shots import Shots
from genbench.images import to_float
from genbench.methods.adversarial.few_shot import FewShot
from genbench.methods.adversarial.talking_heads import TalkingHeads
from genbench.networks.talking_heads import PortraitGenerator, ProjectionDiscriminator
from genbench.randomness import Noise
from tests.embedders import Brightness
from tests.keypoint_finders import Middles

SHAPE = (1, 16, 16)
SHOTS = Shots(["ann", "ben", "cleo"], 2, SHAPE)


def make(keypoints: Any = None, condition: Any = SHOTS, most: int = 8, **settings: Any) -> TalkingHeads:
    torch.manual_seed(0)
    adam = partial(torch.optim.Adam, lr=1e-3)
    return TalkingHeads(
        partial(PortraitGenerator, width=4, most=most, halvings=2, blocks=1, attention=0, attention_up=0),
        partial(ProjectionDiscriminator, width=4, most=8, attention=4),
        SHAPE,
        condition,
        Middles(SHAPE) if keypoints is None else keypoints,
        generator_optimizer=adam,
        discriminator_optimizer=adam,
        **settings,
    )


def frames(*shape: int) -> Tensor:
    pixels = torch.randint(256, (*shape, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return to_float(pixels)


def batch(method: TalkingHeads) -> Batch:
    """Return a batch as both losses are given it, with its poses."""
    given = Batch(frames(3), SHOTS.pack(torch.tensor([2, 0, 1]), frames(3, 2)))
    return Batch(given.x, method.condition_of(given))


def test_rows_hold_the_pose_of_the_image_and_of_each_frame() -> None:
    method = make()
    _, rows = batch(method).pair()
    points, people, given = method.condition.split(method.condition.check(rows, 3))
    assert people.tolist() == [2, 0, 1]
    assert torch.equal(given, frames(3, 2))
    torch.testing.assert_close(points[:, 0], Middles(SHAPE).find_keypoints(frames(3)))
    torch.testing.assert_close(points[:, 2], Middles(SHAPE).find_keypoints(frames(3, 2)[:, 1]))
    assert isinstance(method.condition, Posed)
    facts = method.condition.to_dict()
    again = Posed.from_dict(facts)
    assert again.to_dict() == facts
    # A run folder keeps the method's own condition.
    assert make(condition=again).condition.to_dict() == facts


def test_losses_are_the_papers() -> None:
    method = make(pixel_weight=7.0, adversarial_weight=0.5, feature_weight=3.0, match_weight=2.0).eval()
    given = batch(method)
    x, rows = given.pair()
    points, people, shots = method.condition.split(rows)
    poses = torch.stack([method.draw_pose(points[:, k]) for k in range(3)], dim=1)
    g: Any = method.generator
    d: Any = method.discriminator
    e = (g.embedder(shots[:, 0], poses[:, 1]) + g.embedder(shots[:, 1], poses[:, 2])) / 2
    x_fake = g.draw(poses[:, 0], g.projection(e))
    w = d.people.weight[people] + d.common
    (real, known), (fake, features) = d(x, poses[:, 0], w), d(x_fake, poses[:, 0], w)
    match = (e - d.people.weight[people]).abs().mean()
    hinge = (1 - real).clamp_min(0).mean() + (1 + fake).clamp_min(0).mean()
    torch.testing.assert_close(method.discriminator_loss(given)[0], hinge + 2 * match)
    matched = sum(l1_loss(one, other) for one, other in zip(features, known, strict=True))
    expected = 7 * l1_loss(x_fake, x) - 0.5 * fake.mean() + 3 * matched + 2 * match
    loss, figures = method.generator_loss(given)
    torch.testing.assert_close(loss, expected)
    assert {*figures} == {"loss/pixels", "loss/adversarial", "loss/features", "loss/match"}


def test_the_match_draws_both_embeddings_to_each_other() -> None:
    method = make(pixel_weight=0.0, adversarial_weight=0.0, feature_weight=0.0).eval()
    given = batch(method)
    g: Any = method.generator
    d: Any = method.discriminator
    method.generator_loss(given)[0].backward()
    assert float(g.embedder.blocks[0].skip.bias.grad.abs().max()) > 0
    # Untrained embeddings are near 0, and W between 0 and 1: it is drawn down by the discriminator's own step.
    d.zero_grad()
    method.discriminator_loss(given)[0].backward()
    assert float(d.people.weight.grad.mean()) > 0


def test_features_of_a_part_are_compared() -> None:
    part = Brightness(side=16)
    method = make(
        perceptual="part", perceptual_part=part, perceptual_weight=4.0, pixel_weight=0.0, adversarial_weight=0.0,
        feature_weight=0.0, match_weight=0.0,
    )  # fmt: skip
    loss, figures = method.generator_loss(batch(method))
    torch.testing.assert_close(loss, 4 * figures["loss/perceptual"])
    assert loss.item() > 0


def test_samples_are_drawn_by_the_average_and_use_no_noise() -> None:
    method = make().eval()
    _, rows = batch(method).pair()
    one, two = (method.sample(3, rows, noise=Noise(seed)) for seed in (0, 1))
    assert torch.equal(one, two)
    assert one.shape == (3, *SHAPE)
    assert float(one.abs().max()) <= 1
    with pytest.raises(ValueError, match="conditional"):
        method.sample(3, noise=Noise(0))


def test_a_new_person_begins_with_what_the_embedding_says() -> None:
    method = make().eval()
    shots, points = frames(2), torch.rand(5, 2, 2) * 2 - 1
    poses = method.draw_pose(points)
    generator: Any = method.average.module
    with torch.no_grad():
        e = generator.embed(shots[None], method.draw_pose(Middles(SHAPE).find_keypoints(shots))[None])
        expected = generator.draw(poses, generator.styles(e).expand(5, -1))
    # The same bits: psi' = P e before any step.
    assert torch.equal(method.portrait(shots)(points), expected)
    person = FewShot(method, shots)
    torch.testing.assert_close(person.w, method.discriminator.common + e)
    assert torch.equal(person.draw(poses), expected)


def test_a_person_is_learnt_and_the_model_stays_as_it_is() -> None:
    method = make().eval()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    shots = 0.5 * frames(2)
    own = method.find_keypoints(shots)
    errors = [float((method.portrait(shots, steps=steps)(own) - shots).abs().mean()) for steps in (0, 12)]
    assert errors[1] < errors[0]
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    # Nothing is random.
    one, two = (method.portrait(shots, steps=3)(own) for _ in range(2))
    assert torch.equal(one, two)


def test_learning_a_person_needs_neither_embedder_nor_the_rows_of_others() -> None:
    method = make().eval()
    asked: dict[str, list[nn.Parameter]] = {}
    own = method.make_optimizer

    def remember(name: str, parameters: Any) -> Any:
        asked[name] = list(parameters)
        return own(name, asked[name])

    method.make_optimizer = remember  # type: ignore[method-assign]
    FewShot(method, frames(2)).train(1)
    generator: Any = method.generator
    d: Any = method.discriminator
    assert len(asked["generator"]) == 1 + len(list(generator.drawer.parameters()))
    assert asked["generator"][0].shape == (1, generator.drawer.numbers)
    assert len(asked["discriminator"]) == 1 + len(list(d.parameters())) - 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pixel_weight": -1.0}, "pixel_weight"),
        ({"match_weight": -1.0}, "match_weight"),
        ({"sigma": 0.0}, "sigma"),
        ({"condition": None}, "talking heads take people"),
        ({"most": 4}, "same width and most"),
        ({"keypoints": Middles((1, 8, 8))}, r"parts\.keypoints"),
        ({"perceptual": "part"}, "go together"),
        ({"discriminator_steps": 0}, "discriminator_steps"),
    ],
)
def test_what_does_not_do(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_a_model_of_people_finds_no_key_points_for_another() -> None:
    # It asks its own part, and says so by what it lacks.
    assert not isinstance(make(), FindsKeypoints)
    assert isinstance(Middles(SHAPE), FindsKeypoints)
    assert isinstance(make(), Animates)
