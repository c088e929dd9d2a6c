"""CLIP's loss in closed form, its towers at OpenAI's sizes, and what texts and images are given to them as."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize

from genbench.abilities import EmbedsImages, EmbedsTexts
from genbench.batch import Batch
from genbench.commands.assembly import build
from genbench.conditions.base import Tokens
from genbench.conditions.captions import Captions
from genbench.conditions.classes import Classes
from genbench.config import compose_config
from genbench.errors import UserError
from genbench.images import to_float
from genbench.medium import Images
from genbench.methods.contrastive.clip import CLIP, LARGEST_SCALE, accuracy, contrastive_loss
from genbench.methods.contrastive.images import Preprocessing
from genbench.methods.optimisation import MatrixAdamW
from genbench.networks.clip_text import TextTransformer

WORDS = ["red", "blue", "one", "two", "on"]
CAPTIONS = Captions(WORDS, 4)
TINY = ["network.image_tower.width=16", "network.image_tower.layers=1", "network.text_tower.width=16"]


def clip(*words: str, medium: Images | None = None, condition: Any = CAPTIONS) -> CLIP:
    config = compose_config("train", ["method=clip", "data=captioned_digits", "network=clip_small", *TINY, *words])
    torch.manual_seed(0)
    method: CLIP = build(config.method, "method", medium=medium or Images((3, 8, 8)), condition=condition)
    return method


def eye(count: int) -> Tensor:
    return torch.eye(count, dtype=torch.bool)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_equal_features_are_no_better_than_chance(count: int) -> None:
    logits = torch.full((count, count), 14.0)
    assert float(contrastive_loss(logits, logits, eye(count))) == pytest.approx(math.log(count), abs=1e-5)


@pytest.mark.parametrize("scale", [1.0, 5.0, 100.0])
def test_orthonormal_pairs_have_the_loss_of_the_scale(scale: float) -> None:
    logits = scale * torch.eye(6, dtype=torch.float64)
    expected = math.log(1 + 5 * math.exp(-scale))
    assert float(contrastive_loss(logits, logits, eye(6))) == pytest.approx(expected, rel=1e-6)


def test_the_loss_is_symmetric_and_knows_no_order() -> None:
    images, texts = (normalize(torch.randn(5, 3, dtype=torch.float64), dim=1) for _ in range(2))
    logits = 10 * images @ texts.T
    loss = contrastive_loss(logits, logits.T, eye(5))
    assert float(contrastive_loss(logits.T, logits, eye(5))) == pytest.approx(float(loss), rel=1e-12)
    order = torch.randperm(5)
    mixed = logits[order][:, order]
    assert float(contrastive_loss(mixed, mixed.T, eye(5))) == pytest.approx(float(loss), rel=1e-12)


def test_the_gradient_of_the_logits() -> None:
    logits = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    contrastive_loss(logits, logits.T, eye(4)).backward()
    expected = (logits.softmax(1) + logits.T.softmax(1).T - 2 * torch.eye(4)).detach() / 8
    torch.testing.assert_close(logits.grad, expected)


def test_equal_captions_are_false_negatives_unless_they_are_positives() -> None:
    # Two classes of three pairs each, told apart perfectly.
    classes = torch.tensor([0, 0, 0, 1, 1, 1])
    matches = classes[:, None] == classes
    logits = 50.0 * matches.double()
    assert float(contrastive_loss(logits, logits, eye(6))) == pytest.approx(math.log(3), abs=1e-6)
    assert float(contrastive_loss(logits, logits, matches)) == pytest.approx(math.log(3), abs=1e-6)
    assert float(accuracy(logits, matches)) == 1
    # As targets they are the minimum: nothing drags the features of a class apart.
    wanted = logits.clone().requires_grad_()
    contrastive_loss(wanted, wanted.T, matches).backward()
    assert wanted.grad is not None
    assert float(wanted.grad.abs().max()) < 1e-12
    unwanted = logits.clone().requires_grad_()
    contrastive_loss(unwanted, unwanted.T, eye(6)).backward()
    assert unwanted.grad is not None
    assert float(unwanted.grad.abs().max()) > 0.05


def test_positives_follow_from_the_captions() -> None:
    rows = CAPTIONS.encode(["red one", "blue two", "red one"])
    batch = Batch(torch.randn(3, 3, 8, 8), rows)
    for positives, expected in (("diagonal", eye(3)), ("same_caption", eye(3) | eye(3).flip(1))):
        method = clip(f"method.positives={positives}")
        if positives == "diagonal":
            assert method._matches(rows).equal(expected)
        else:
            assert method._matches(rows).equal(torch.tensor([[1, 0, 1], [0, 1, 0], [1, 0, 1]]).bool())
        loss, figures = method.loss(batch)
        images, texts, scale = method.towers(method.preprocess(batch.x), rows)
        logits = scale * images @ texts.T
        assert loss.item() == pytest.approx(contrastive_loss(logits, logits.T, method._matches(rows)).item())
        assert figures["loss/logit_scale"].item() == pytest.approx(1 / 0.07)


def test_the_scale_stays_below_a_hundred() -> None:
    method = clip()
    for towers in (method.towers, method.average.module):
        nn.init.constant_(towers.log_scale, 7.0)
        towers.clamp_scale()
        assert towers.log_scale.item() == pytest.approx(math.log(LARGEST_SCALE))
    assert method.logit_scale == pytest.approx(100.0, rel=1e-6)


@pytest.mark.parametrize(
    ("network", "side", "expected"),
    [
        ("clip_rn50", 224, 102_007_137),
        ("clip_rn101", 224, 119_688_033),
        ("clip_rn50x4", 288, 178_300_601),
        ("clip_rn50x16", 384, 290_979_217),
        ("clip_rn50x64", 448, 623_258_305),
        ("clip_vit_b32", 224, 151_277_313),
        ("clip_vit_b16", 224, 149_620_737),
        ("clip_vit_l14", 224, 427_616_513),
        ("clip_vit_l14", 336, 427_944_193),
    ],
)
def test_parameters_are_as_many_as_openais(network: str, side: int, expected: int) -> None:
    config = compose_config("train", ["method=clip", "data=captioned_digits", f"network={network}"])
    condition = Captions(tokenizer="clip_bpe", length=77)
    with torch.device("meta"):
        method = build(config.method, "method", medium=Images((3, side, side)), condition=condition)
    assert sum(parameter.numel() for parameter in method.towers.parameters()) == expected


def test_nothing_after_the_end_of_a_text_matters() -> None:
    start, end = 7, 8
    text = TextTransformer(Tokens(9, 10, end), embedding_dim=4, width=8, layers=2, heads=2)
    row = torch.tensor([[start, 3, 5, end, 0, 0, 0, 0, 0, 0]])
    other = torch.tensor([[start, 3, 5, end, 6, 2, end, 1, 0, 4]])
    expected = text(row)
    torch.testing.assert_close(text(other), expected)
    # Nor how far it is padded, nor what is beside it in the batch.
    torch.testing.assert_close(text(row[:, :4]), expected)
    longer = torch.tensor([[start, *[2] * 8, end]])
    torch.testing.assert_close(text(torch.cat([row, longer]))[:1], expected)
    changed = text(torch.tensor([[start, 3, 4, end]]))
    assert float((changed - expected).abs().max()) > 1e-3


def test_an_empty_text_is_embedded() -> None:
    text = TextTransformer(CAPTIONS.form, embedding_dim=4, width=8, layers=1, heads=2)
    assert text(CAPTIONS.null(2)).shape == (2, 4)
    assert text(CAPTIONS.null(0)).shape == (0, 4)


def test_images_of_any_size_are_prepared_as_openai_does() -> None:
    torchvision = pytest.importorskip("torchvision.transforms")
    mean, std = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]
    steps = [
        torchvision.Resize(32, interpolation=torchvision.InterpolationMode.BICUBIC),
        torchvision.CenterCrop(32),
        torchvision.ToTensor(),
        torchvision.Normalize(mean, std),
    ]
    generator = np.random.default_rng(0)
    prepare = Preprocessing(32, mean, std)
    for height, width in ((32, 32), (57, 90), (101, 64), (20, 31), (32, 45)):
        # Where it enlarges, Pillow cuts off overshooting values after each direction: there are none here.
        low, high = (0, 256) if min(height, width) >= 32 else (80, 176)
        pixels = generator.integers(low, high, (height, width, 3), dtype=np.uint8)
        expected = torchvision.Compose(steps)(Image.fromarray(pixels))
        found = prepare(to_float(torch.from_numpy(pixels).permute(2, 0, 1))[None])[0]
        # Pillow rounds to whole levels, twice.
        assert float((found - expected).abs().max()) < 2 / 255 / min(std), (height, width)


def test_embeddings_are_of_the_averaged_weights_and_differentiable() -> None:
    method = clip().eval()
    assert isinstance(method, EmbedsTexts)
    assert isinstance(method, EmbedsImages)
    x = torch.rand(2, 1, 20, 30, requires_grad=True)
    embedded = method.embed_images(x)
    assert embedded.shape == (2, method.embedding_dim)
    embedded.sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0
    before, rows = embedded.detach(), CAPTIONS.encode(["red one"])
    texts = method.embed_texts(rows)
    for parameter in method.towers.parameters():
        nn.init.zeros_(parameter)
    torch.testing.assert_close(method.embed_images(x).detach(), before)
    torch.testing.assert_close(method.embed_texts(rows), texts)
    assert float((texts.norm(dim=1) - 1).abs()) > 1e-3


def test_only_matrices_decay() -> None:
    method = clip()
    optimizer = method.configure_optimizers()
    assert isinstance(optimizer, MatrixAdamW)
    decayed, kept = optimizer.param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.2, 0.0)
    names = {id(parameter): name for name, parameter in method.towers.named_parameters()}
    assert {names[id(each)].rpartition(".")[2] for each in kept["params"]} == {"weight", "bias", "first", "log_scale"}
    assert all("norm" in name for each in kept["params"] if (name := names[id(each)]).endswith("weight"))
    assert len(decayed["params"]) + len(kept["params"]) == len(names)


@pytest.mark.parametrize(
    ("words", "given", "message"),
    [
        (["network.text_tower.embedding_dim=64"], {}, "embeddings of images have 128 numbers, and those of texts 64"),
        (["network.image_tower.patch=3"], {}, "must be a multiple of patch=3"),
        (["network.image_tower.heads=3"], {}, "heads=3 must divide width=16"),
        (["method.positives=all"], {}, "positives must be diagonal or same_caption"),
        (["network.image_tower.gelu=quick"], {}, "gelu must be openai or open_clip"),
        ([], {"condition": Classes(["a", "b"])}, "CLIP takes data with captions"),
        ([], {"medium": Images((3, 8, 16))}, "CLIP takes data with square images"),
    ],
)
def test_what_does_not_fit_is_refused(words: list[str], given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        clip(*words, **given)


def test_a_batch_is_not_divided() -> None:
    clip().accumulate(1)
    with pytest.raises(ValueError, match="all others of its batch"):
        clip().accumulate(2)
