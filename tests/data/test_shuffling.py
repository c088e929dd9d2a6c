"""Orders of an epoch: each image once, runs of neighbours read in whole, windows shuffled."""

import pytest
import torch

from genbench.data import shuffling
from genbench.data.shuffling import shuffle

IMAGE_BYTES = 64 * 64 * 3


@pytest.mark.parametrize("how", ["full", "blocks"])
@pytest.mark.parametrize("count", [1, 100, 16_384, 50_001])
def test_each_image_once_and_another_order_each_time(how: str, count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (shuffle(count, IMAGE_BYTES, how, generator).rows for _ in range(2))  # type: ignore[arg-type]
    assert torch.equal(first.sort().values, torch.arange(count))
    assert count == 1 or not torch.equal(first, second)


@pytest.mark.parametrize("how", ["full", "blocks"])
def test_the_order_depends_on_the_generator_alone(how: str) -> None:
    global_state = torch.get_rng_state()

    def order(seed: int) -> torch.Tensor:
        return shuffle(50_001, IMAGE_BYTES, how, torch.Generator().manual_seed(seed)).rows  # type: ignore[arg-type]

    assert torch.equal(order(0), order(0))
    assert not torch.equal(order(0), order(1))
    assert torch.equal(torch.get_rng_state(), global_state)


def test_a_window_consists_of_whole_blocks_from_everywhere() -> None:
    order = shuffle(60_000, IMAGE_BYTES, "blocks", torch.Generator().manual_seed(0))
    assert order.block * IMAGE_BYTES <= 2 << 20
    positions = [position for position, _ in order.windows]
    for (begin, starts), end in zip(order.windows, [*positions[1:], 60_000], strict=True):
        rows = order.rows[begin:end]
        wanted = (starts.unsqueeze(1) + torch.arange(order.block)).flatten()
        assert torch.equal(rows.sort().values, wanted[wanted < 60_000].sort().values)
        assert len(rows) <= order.window_images
    # The first window draws from the whole of the store, and in no order.
    first = order.rows[: positions[1]].float()
    assert first.std() > 0.9 * 60_000 / 12**0.5
    assert abs(float(torch.corrcoef(torch.stack([first, torch.arange(len(first)).float()]))[0, 1])) < 0.05


def test_batches_are_mixed_as_the_docs_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a store that is sorted by class, the worst case, the classes of a batch vary somewhat more than by chance."""
    monkeypatch.setattr(shuffling, "_WINDOW_IMAGES", 16_384)
    classes = torch.arange(200_000) // 20_000

    def spread(how: str) -> float:
        rows = shuffle(200_000, IMAGE_BYTES, how, torch.Generator().manual_seed(1)).rows  # type: ignore[arg-type]
        batches = classes[rows[: 200_000 // 128 * 128]].view(-1, 128)
        shares = torch.stack([(batches == number).float().mean(1) for number in range(10)])
        return float(shares.var())

    chance = 0.1 * 0.9 / 128
    assert spread("full") == pytest.approx(chance, rel=0.05)
    assert chance * 1.5 < spread("blocks") < chance * 4
