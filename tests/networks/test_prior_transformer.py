"""The prior's transformer: what it attends to, and its size."""

import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor

from genbench.conditions.captions import Captions
from genbench.config import check
from genbench.networks.prior_transformer import PriorTransformer

CAPTIONS = Captions(["a", "red", "blue", "one"], 6)
ROWS = CAPTIONS.encode(["a red one", "blue"])


def prior() -> PriorTransformer:
    torch.manual_seed(0)
    return PriorTransformer((8,), CAPTIONS, states=5, width=16, layers=2, heads=2)


def given(rows: Tensor = ROWS) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "rows": rows,
        "text": torch.randn(len(rows), 8, generator=generator),
        "states": torch.randn(len(rows), 6, 5, generator=generator),
    }


def test_the_published_size() -> None:
    # Karlo's prior beside CLIP's ViT-L/14: 1,022,028,544 parameters.
    config = check("train", ["experiment=prior_vit_l14", "data.root=none"])
    with torch.device("meta"):
        build = instantiate(config.network.denoiser, _convert_="all")
        network = build(shape=(768,), condition=Captions(tokenizer="clip_bpe"), states=768)
    assert sum(each.numel() for each in network.parameters()) == 1_022_028_544


def test_what_follows_a_text_changes_nothing() -> None:
    network = prior()
    z, t, inputs = torch.randn(2, 8), torch.tensor([0.2, 0.9]), given()
    out = network(z, t, **inputs)
    other = inputs["states"].clone()
    other[0, 3:] = 100.0
    other[1, 1:] = -100.0
    torch.testing.assert_close(network(z, t, **inputs | {"states": other}), out)
    other[0, 2] += 1.0
    assert not torch.allclose(network(z, t, **inputs | {"states": other})[0], out[0], atol=1e-4)


@pytest.mark.parametrize("changed", ["z", "t", "text", "states"])
def test_the_prediction_depends_on_all_that_is_given_of_its_own_row(changed: str) -> None:
    network = prior()
    inputs = {"z_t": torch.randn(2, 8), "t": torch.tensor([0.2, 0.9]), **given()}
    out = network(**inputs)
    key = "z_t" if changed == "z" else changed
    value = inputs[key].clone()
    value[0] = value[0] + 0.5
    moved = network(**inputs | {key: value})
    assert not torch.allclose(moved[0], out[0], atol=1e-4)
    torch.testing.assert_close(moved[1], out[1])


def test_attention_is_causal() -> None:
    network = prior()
    seen: list[Tensor] = []
    network.blocks[-1].register_forward_hook(lambda module, args, out: seen.append(out))
    z, t, inputs = torch.randn(2, 8), torch.tensor([0.2, 0.9]), given()
    network(z, t, **inputs)
    network(z + 1, t, **inputs)
    # The embedding is the last but one: what comes before it has not seen it.
    torch.testing.assert_close(seen[0][:, :-2], seen[1][:, :-2])
    assert not torch.allclose(seen[0][:, -1], seen[1][:, -1], atol=1e-4)


def test_it_takes_embeddings_and_captions() -> None:
    with pytest.raises(ValueError, match="of embeddings"):
        PriorTransformer((3, 8, 8), CAPTIONS, states=5)
    with pytest.raises(ValueError, match="must be even"):
        PriorTransformer((8,), CAPTIONS, states=5, width=15)
