"""Scores of pictures and their captions in the features of a CLIP, by one whose features are known."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.conditions.base import Conditions
from genbench.conditions.captions import Captions
from genbench.errors import UserError
from genbench.medium import Images
from genbench.metrics.clip import Clip
from genbench.metrics.embedder import Embedder
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.material import Material, Origin
from genbench.metrics.score import Setting
from genbench.metrics.scores.clip_score import ClipScore
from genbench.metrics.scores.r_precision import RPrecision
from genbench.parts import freeze
from genbench.randomness import Noise
from tests.metrics.embedding import Constant, Lookup, Numbered, feature_of

WORDS = ["red", "green", "blue", "cat", "dog", "bird"]
TEXTS = [" ".join(words) for words in product(WORDS, WORDS, WORDS)]


@pytest.fixture(scope="module")
def data() -> Numbered:
    return Numbered(TEXTS)


def clip_of(model: Any, sha256: str = "abc") -> Clip:
    return Clip(model, "clip_run", sha256)


def real(data: Numbered, texts: list[str] | None = None, seed: int = 0) -> Material:
    """Return the test images with captions, by default their own."""
    assert isinstance(data.condition, Captions)
    rows = data.condition.encode(texts or TEXTS)
    return Material(
        len(rows), samples=data.store("test").samples[:], conditions=Conditions(data.condition, rows), seed=seed
    )


def test_clip_score_is_a_hundred_times_the_mean_cosine_that_is_positive(data: Numbered) -> None:
    model = data.lookup()
    assert ClipScore(clip_of(model)).compute(real(data))["clip_score"] == pytest.approx(100)
    assert ClipScore(clip_of(data.lookup(Constant))).compute(real(data))["clip_score"] == pytest.approx(100)

    class Opposite(Lookup):
        """Images are the opposite of their texts."""

        def embed_images(self, x: Tensor) -> Tensor:
            return -super().embed_images(x)

    assert ClipScore(clip_of(data.lookup(Opposite))).compute(real(data))["clip_score"] == 0
    # The mean of the cosines of other pairs, the negative ones as 0.
    shifted = TEXTS[1:] + TEXTS[:1]
    numbers = data.numbers
    pairs = [(numbers[one], numbers[other]) for one, other in zip(TEXTS, shifted, strict=True)]
    expected = [100 * max(float(feature_of(one) @ feature_of(other)), 0) for one, other in pairs]
    found = ClipScore(clip_of(model)).compute(real(data, shifted))
    assert found["clip_score"] == pytest.approx(sum(expected) / len(expected), rel=1e-4)
    assert found["clip_score_std"] == pytest.approx(
        float(torch.tensor(expected).std()) / len(expected) ** 0.5, rel=1e-4
    )


def test_r_precision_is_1_for_right_pictures_0_for_a_clip_without_an_idea_and_chance_for_others(data: Numbered) -> None:
    assert RPrecision(clip_of(data.lookup())).compute(real(data))["r_precision"] == 1
    assert RPrecision(clip_of(data.lookup(Constant))).compute(real(data))["r_precision"] == 0
    order = torch.randperm(len(TEXTS), generator=torch.Generator().manual_seed(0)).tolist()
    others = RPrecision(clip_of(data.lookup(wrong=dict(enumerate(order))))).compute(real(data))
    assert others["r_precision"] < 0.05


def test_the_wrong_captions_are_drawn_by_the_seed(data: Numbered) -> None:
    # Half of the pictures are of the next text, which is a wrong caption for some of them.
    wrong = {number: number + 1 for number in range(0, 216, 2)}
    score = RPrecision(clip_of(data.lookup(wrong=wrong)))
    one, again, other = (score.compute(real(data, seed=seed))["r_precision"] for seed in (0, 0, 1))
    assert one == again
    assert 0.5 <= one < 0.7
    assert other != one


def test_an_equal_caption_is_never_a_wrong_one() -> None:
    texts = [*TEXTS[:100], *TEXTS[:100]]
    data = Numbered(texts)
    assert isinstance(data.condition, Captions)
    material = Material(
        200, samples=data.store("test").samples[:], conditions=Conditions(data.condition, data.condition.encode(texts))
    )
    assert RPrecision(clip_of(data.lookup())).compute(material)["r_precision"] == 1
    few = Numbered(TEXTS[:99])
    assert isinstance(few.condition, Captions)
    rows = Conditions(few.condition, few.condition.encode(TEXTS[:99]))
    with pytest.raises(ValueError, match="at least 100 different captions, not 99"):
        RPrecision(clip_of(few.lookup())).compute(Material(99, samples=few.store("test").samples[:], conditions=rows))


class Draws(nn.Module):
    """Draws the image of each caption's text."""

    derives_condition = False
    device = torch.device("cpu")

    def __init__(self, data: Numbered, part: nn.Module | None = None) -> None:
        super().__init__()
        self.medium, self.condition, self.data = data.medium, data.condition, data
        # As a method keeps its frozen parts.
        self.__dict__["guide"] = part

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        assert condition is not None
        texts = self.data.condition.describe(condition)
        pictures = [self.data.store("test").samples[TEXTS.index(text)] for text in texts]
        return torch.stack(pictures).float() / 127.5 - 1


def evaluated(data: Numbered, method: Draws, **settings: Any) -> Any:
    evaluator = Evaluator(count=120, scores=["clip_score", "r_precision"], **settings)
    conditions = Conditions(data.condition, data.store("test").conditions[:][:120])
    origin = Origin(method, data, "test", torch.arange(120))
    evaluator.set_reference(data, origin=origin)
    return evaluator.score_method(method.sample, torch.device("cpu"), conditions=conditions, origin=origin)


def test_a_run_is_scored_and_the_protocol_names_the_clip_by_its_hash(data: Numbered) -> None:
    scores = evaluated(data, Draws(data), clip=clip_of(data.lookup(), "abc"))
    assert scores.values["clip_score"] == pytest.approx(100)
    assert scores.values["r_precision"] == 1
    assert scores.protocol["clip"] == {"name": "clip_run", "sha256": "abc"}


def test_a_run_is_not_scored_by_the_clip_that_guided_it_unless_that_is_wanted(data: Numbered) -> None:
    part = data.lookup()
    freeze(part, "abc")
    inner = Draws(data, part)
    freeze(inner, "outer")
    for method, name in ((Draws(data, part), "guide"), (Draws(data, inner), "guide/guide")):
        with pytest.raises(UserError, match=rf"built on this very CLIP \(its part {name} has.*allow_same_clip=true"):
            evaluated(data, method, clip=clip_of(data.lookup(), "abc"))
        scores = evaluated(data, method, clip=clip_of(data.lookup(), "abc"), allow_same_clip=True)
        assert scores.protocol["clip"]["guided_the_method"] is True
        assert "guided_the_method" not in evaluated(data, method, clip=clip_of(data.lookup(), "other")).protocol["clip"]


def test_words_that_the_clip_lacks_are_named_before_anything_is_drawn(data: Numbered) -> None:
    class Never(Draws):
        """Must not be asked."""

        def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
            raise AssertionError

    clip = clip_of(Lookup(Captions([word for word in WORDS if word != "dog"], 3), {}))
    with pytest.raises(UserError, match=r"metrics\.clip=clip_run can't read the caption '[^']*dog[^']*'.*'dog'"):
        evaluated(data, Never(data), clip=clip)


def test_its_features_are_an_extractor_of_images_of_any_size_named_after_it(data: Numbered) -> None:
    extractor = Embedder(data.lookup(), "clip", "0123456789abcdef")
    pictures = torch.nn.functional.pad(data.store("test").samples[:3], (0, 24, 0, 24))
    features = extractor(pictures)
    assert torch.allclose(features.features[1], feature_of(data.numbers[TEXTS[1]]))
    assert features.logits.shape == (3, 0)
    assert extractor.suffix == "_clip_01234567"


def test_without_a_clip_or_captions_there_is_no_score(data: Numbered) -> None:
    for kind in (ClipScore, RPrecision):
        setting = Setting(9, None, 0, 0, None, Images((3, 8, 8)), captioned=True)
        assert kind().unsuited(setting) == "it takes a CLIP, metrics.clip=RUN"
        assert kind(clip_of(data.lookup())).unsuited(setting) is None
        bare = Setting(9, None, 0, 0, None, Images((3, 8, 8)))
        assert kind(clip_of(data.lookup())).unsuited(bare) == "it takes a method that is conditioned on captions"
