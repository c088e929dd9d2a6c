"""CLIP of noisy images: what the time does to its towers, what it learns at which times, and GLIDE's sizes."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from genbench.abilities import EmbedsNoisy, EmbedsTexts
from genbench.batch import Batch
from genbench.commands.assembly import build
from genbench.conditions.captions import Captions
from genbench.config import compose_config
from genbench.diffusion.processes import DiscreteProcess
from genbench.medium import Images
from genbench.methods.contrastive.noisy_clip import NoisyCLIP
from genbench.networks.clip_resnet import CLIPResNet
from genbench.networks.clip_small_resnet import SmallResNet
from genbench.networks.clip_text import TextTransformer
from genbench.networks.clip_transformer import Attention
from genbench.networks.clip_vit import VisionTransformer

CAPTIONS = Captions(["dark", "bright"], 2)
PROCESS = DiscreteProcess("cosine", 100)
IMAGE = partial(SmallResNet, embedding_dim=8, width=8, levels=2)
TEXT = partial(TextTransformer, embedding_dim=8, width=8, layers=1, heads=2)


def noisy_clip(image: Any = IMAGE, *, side: int = 8, condition: Captions = CAPTIONS, **settings: Any) -> NoisyCLIP:
    torch.manual_seed(0)
    defaults: dict[str, Any] = {
        "process": PROCESS,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "optimizer": partial(torch.optim.Adam, lr=0.01),
        "ema_decay": 0.0,
    }
    return NoisyCLIP(image, TEXT, Images((3, side, side)), condition, **(defaults | settings))


def pairs(count: int) -> Batch:
    """Return dark and bright images in turn, with their captions."""
    y = torch.arange(count) % 2
    x = 0.8 * (y * 2.0 - 1).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    return Batch(x, CAPTIONS.encode(["bright" if each else "dark" for each in y.tolist()]))


def test_a_tower_is_that_of_clip_until_it_learns_the_time() -> None:
    torch.manual_seed(0)
    plain, timed = IMAGE(8), IMAGE(8, steps=100)
    found = timed.load_state_dict(plain.state_dict(), strict=False)
    assert found.unexpected_keys == []
    assert {name.split(".")[-2 if "embed_time" not in name else 0] for name in found.missing_keys} == {
        "embed_time",
        "from_time",
    }
    plain, timed = plain.eval(), timed.eval()
    x, t = torch.randn(3, 3, 8, 8), torch.tensor([0.0, 0.5, 0.99])
    torch.testing.assert_close(timed(x, t), plain(x))
    for block in timed.blocks:
        nn.init.normal_(block.from_time.weight)
        # At first a block is its shortcut.
        nn.init.ones_(block.norm_2.weight)
    # Each image by its own time, and by nothing else in the batch.
    once = timed(x[:1].expand(3, -1, -1, -1), t).detach()
    assert float((once[1:] - once[:-1]).abs().amax(1).min()) > 1e-3
    torch.testing.assert_close(timed(x[:1], t[:1]), once[:1])


def test_a_vision_transformer_has_a_first_token_for_each_step() -> None:
    torch.manual_seed(0)
    tower = VisionTransformer(8, embedding_dim=4, width=8, layers=1, heads=2, patch=4, steps=10)
    assert tower.first.shape == (10, 8)
    x = torch.randn(1, 3, 8, 8)
    # The chain's step i, from 1 on, has the token i - 1, as in GLIDE's code.
    process = DiscreteProcess("cosine", 10)
    embeddings = [tower(x, process.network_time(torch.tensor([step / 10]))) for step in range(1, 11)]
    with torch.no_grad():
        tower.first[6] += 1
    changed = [
        not torch.equal(tower(x, process.network_time(torch.tensor([step / 10]))), before)
        for step, before in enumerate(embeddings, start=1)
    ]
    assert [step for step, is_other in enumerate(changed, start=1) if is_other] == [7]


def test_a_bias_of_keys_changes_nothing() -> None:
    torch.manual_seed(0)
    ours, glides = Attention(8, 2, causal=False), Attention(8, 2, causal=False, biases="glide")
    with torch.no_grad():
        ours.qkv.bias.normal_()
        glides.qkv.weight.copy_(ours.qkv.weight)
        glides.out.load_state_dict(ours.out.state_dict())
        glides.qv_bias.copy_(ours.qkv.bias.view(3, 8)[[0, 2]])  # type: ignore[union-attr]
    x = torch.randn(2, 5, 8)
    torch.testing.assert_close(glides(x), ours(x))
    assert sum(each.numel() for each in ours.parameters()) - sum(each.numel() for each in glides.parameters()) == 8


def test_it_learns_most_where_there_is_least_noise() -> None:
    method, batch = noisy_clip(positives="same_caption"), pairs(32)
    optimizer = method.configure_optimizers()
    for _ in range(60):
        optimizer.zero_grad()
        method.loss(batch)[0].backward()
        optimizer.step()
    method.average.update_parameters(method.towers)
    assert isinstance(method, EmbedsNoisy)
    assert isinstance(method, EmbedsTexts)
    texts = method.embed_texts(CAPTIONS.encode(["dark", "bright"]))
    wanted = torch.arange(256) % 2
    x = pairs(256).x

    def accuracy(t: float) -> float:
        times = torch.full((256,), t)
        x_t = PROCESS.diffuse(x, times, torch.randn_like(x))
        found = nn.functional.normalize(method.embed_noisy(x_t, times), dim=1) @ nn.functional.normalize(texts, dim=1).T
        return float((found.argmax(1) == wanted).float().mean())

    assert accuracy(0.05) == 1
    # Of pure noise nothing can be known.
    assert 0.35 < accuracy(1.0) < 0.65
    # Without noise it is a CLIP like any other.
    clean = method.embed_images(x[:2])
    torch.testing.assert_close(clean, method.embed_noisy(x[:2], torch.full((2,), 0.01)))
    assert method.embed_images(torch.zeros(1, 3, 20, 30)).shape == (1, method.embedding_dim)


def test_the_loss_is_of_noisy_images_and_its_accuracy_is_logged_by_quarters() -> None:
    method, batch = noisy_clip(), pairs(64)
    seen: list[torch.Tensor] = []
    method.towers.image.register_forward_pre_hook(lambda _, given: seen.extend(given))
    _, figures = method.loss(batch)
    x_t, t = seen
    steps = t * PROCESS.steps
    torch.testing.assert_close(steps, steps.round())
    assert len(steps.unique()) > 20
    # The noise grows with the time: what is left of the image is alpha of it.
    alpha = PROCESS.alpha(t.double() + 1 / PROCESS.steps)
    kept = (x_t * batch.x.sign()).mean((1, 2, 3)).double() / 0.8
    assert float((kept - alpha).abs().mean()) < 0.1
    quarters = [float(figures[f"loss/image_accuracy_t{number}"]) for number in (1, 2, 3, 4)]
    counts = torch.histc(steps, 4, 0, 100)
    mean = sum(count * each for count, each in zip(counts.tolist(), quarters, strict=True)) / 64
    assert mean == pytest.approx(float(figures["loss/image_accuracy"]), abs=1e-5)


def test_noisy_embeddings_are_of_the_averaged_weights_and_differentiable() -> None:
    method = noisy_clip().eval()
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    t = torch.tensor([0.2, 0.9])
    embedded = method.embed_noisy(x, t)
    embedded.sum().backward()
    assert x.grad is not None
    assert (x.grad.flatten(1).norm(dim=1) > 0).all()
    for parameter in method.towers.parameters():
        nn.init.zeros_(parameter)
    torch.testing.assert_close(method.embed_noisy(x, t), embedded)
    with pytest.raises(ValueError, match=r"noisy images of \(3, 8, 8\), not \(3, 16, 16\)"):
        method.embed_noisy(torch.zeros(1, 3, 16, 16), t[:1])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="given the time, such as network=clip_small_resnet"):
        noisy_clip(partial(CLIPResNet, embedding_dim=8, width=8, layers=[1, 1, 1, 1]), side=32)
    with pytest.raises(ValueError, match="image_size has no effect"):
        noisy_clip(image_size=16)
    with pytest.raises(ValueError, match="vocabulary=3 must be at least that of the captions, 4"):
        TextTransformer(CAPTIONS.form, embedding_dim=8, width=8, layers=1, heads=2, vocabulary=3)


def test_parameters_are_as_many_as_glides() -> None:
    config = compose_config("train", ["experiment=noisy_clip_64", "data.root=nowhere"])
    condition = Captions(tokenizer="clip_bpe", length=77)
    with torch.device("meta"):
        method: Any = build(config.method, "method", medium=Images((3, 64, 64)), condition=condition)
    counts = [sum(each.numel() for each in tower.parameters()) for tower in (method.towers.image, method.towers.text)]
    assert counts == [86_443_776, 71_679_488]
