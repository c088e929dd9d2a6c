"""The small image-to-image tasks that are made of digits."""

import torch

from genbench.conditions.base import Channels
from genbench.data.digits import Digits
from genbench.data.edges2digits import Edges2Digits, edge_maps
from genbench.data.two_domains import TwoDomains, invert_and_tilt


def test_the_edge_map_of_a_square_is_its_outline() -> None:
    image = torch.zeros(1, 1, 12, 12, dtype=torch.uint8)
    image[..., 3:9, 3:9] = 255
    outline = torch.zeros(12, 12)
    outline[2:10, 2:10] = 255
    outline[3:9, 3:9] = 0
    assert torch.equal(edge_maps(image)[0, 0].float(), outline)
    assert not edge_maps(torch.full((1, 1, 12, 12), 200, dtype=torch.uint8)).any()
    assert torch.equal(edge_maps(image // 2), edge_maps(image))


def test_edges_and_digits_are_pairs_in_range() -> None:
    data = Edges2Digits("digits", size=16)
    assert (data.name, data.image_shape, data.class_names) == ("edges2digits", (1, 16, 16), None)
    assert data.condition.form == Channels((1, 16, 16))
    batch = next(iter(data.train_dataloader()))
    assert batch.x.shape == batch.condition.shape == (64, 1, 16, 16)
    assert set(batch.condition.unique().tolist()) == {-1.0, 1.0}
    levels = ((batch.x + 1) * 127.5).round().byte()
    assert torch.equal(edge_maps(levels).float() / 127.5 - 1, batch.condition)


def test_tilting_turns_to_the_left_and_exchanges_black_and_white() -> None:
    image = torch.zeros(1, 1, 33, 33, dtype=torch.uint8)
    image[..., :16, 16] = 255
    tilted = 255 - invert_and_tilt(image)[0, 0]
    rows, columns = torch.nonzero(tilted > 100, as_tuple=True)
    top = columns[rows.argmin()]
    assert 6 <= top <= 10
    assert (255 - tilted).float().mean() > 200


def test_no_digit_is_in_both_domains() -> None:
    data = TwoDomains("digits_tilted", size=16)
    store = data.store("train")
    digits = Digits(16).store("train").samples[:]
    assert torch.equal(store.sources[:], digits[::2])  # type: ignore[attr-defined]
    assert torch.equal(store.samples[:], invert_and_tilt(digits[1::2]))
    batch = next(iter(data.train_dataloader()))
    assert batch.x.mean() > 0.3
    assert batch.condition.mean() < -0.3
