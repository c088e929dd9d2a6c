"""The order of batches: a function of (seed, epoch), shared out over processes, taken up at any step."""

from itertools import chain, islice

import pytest
import torch

from genbench.conditions.captions import Captions
from genbench.data.augmentation import Augmentation
from genbench.data.loader import BatchLoader
from genbench.data.store import SampleStore, UnpairedStore
from genbench.errors import UserError


@pytest.fixture
def store() -> SampleStore:
    images = torch.arange(103, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous()
    return SampleStore(images, torch.arange(103))


def ids(loader: BatchLoader, epochs: int = 1) -> list[list[int]]:
    return [batch.condition.tolist() for _ in range(epochs) for batch in loader]


def test_batches_keep_the_contract(store: SampleStore) -> None:
    batch = next(iter(BatchLoader(store, 10)))
    assert batch.x.dtype == torch.float32
    assert batch.x.shape == (10, 1, 2, 2)
    assert batch.x.min() >= -1
    assert batch.x.max() <= 1
    expected = batch.condition / 127.5 - 1
    torch.testing.assert_close(batch.x[:, 0, 0, 0], expected)
    assert next(iter(BatchLoader(SampleStore(store.samples), 10))).condition is None


def test_an_epoch_shows_each_image_at_most_once(store: SampleStore) -> None:
    seen = [image for batch in ids(BatchLoader(store, 10)) for image in batch]
    assert len(seen) == len(set(seen)) == 100
    assert len(BatchLoader(store, 10)) == 10


def test_order_depends_on_seed_and_epoch_alone(store: SampleStore) -> None:
    two_epochs = ids(BatchLoader(store, 10, seed=1), epochs=2)
    assert two_epochs[:10] != two_epochs[10:]
    torch.manual_seed(99)
    assert ids(BatchLoader(store, 10, seed=1), epochs=2) == two_epochs
    assert ids(BatchLoader(store, 10, seed=2), epochs=2) != two_epochs


@pytest.mark.parametrize("world_size", [2, 5])
def test_processes_share_each_batch_without_overlap(store: SampleStore, world_size: int) -> None:
    whole = ids(BatchLoader(store, 10, seed=4))
    parts = [ids(BatchLoader(store, 10, seed=4, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert [list(chain.from_iterable(shares)) for shares in zip(*parts, strict=True)] == whole


@pytest.mark.parametrize("start", [0, 1, 9, 10, 11, 20, 27])
def test_a_loader_goes_on_from_any_step(store: SampleStore, start: int) -> None:
    uninterrupted = ids(BatchLoader(store, 10, seed=5), epochs=4)
    resumed = ids(BatchLoader(store, 10, seed=5, start_step=start), epochs=4)
    assert resumed[: len(uninterrupted) - start] == uninterrupted[start:]


def test_looking_at_a_batch_does_not_use_it_up(store: SampleStore) -> None:
    loader = BatchLoader(store, 10)
    first = next(iter(loader))
    assert torch.equal(next(iter(loader)).condition, first.condition)
    assert [batch.condition.tolist() for batch in islice(loader, 1)] == [first.condition.tolist()]


def test_counting_to_the_length_is_a_whole_epoch(store: SampleStore) -> None:
    """Lightning takes `len(loader)` batches and never meets the end of the iteration."""
    loader, epochs = BatchLoader(store, 10), ids(BatchLoader(store, 10), epochs=2)
    for epoch in range(2):
        iterator = iter(loader)
        counted = [next(iterator).condition.tolist() for _ in range(len(loader))]
        assert counted == epochs[10 * epoch : 10 * epoch + 10]


@pytest.mark.parametrize(("size", "world", "message"), [(0, 1, "from 1 to"), (104, 1, "103"), (10, 4, "multiple")])
def test_batch_sizes_that_do_not_do(store: SampleStore, size: int, world: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        BatchLoader(store, size, world_size=world)


def test_mirroring_depends_on_seed_and_epoch_and_is_shared_out() -> None:
    images = torch.arange(100, dtype=torch.uint8).view(-1, 1, 1, 1).repeat(1, 1, 1, 2)
    images[..., 0] = 0
    flipping = SampleStore(images, torch.arange(100))

    def mirrored(**place: int) -> list[list[tuple[int, bool]]]:
        loader = BatchLoader(flipping, 10, seed=3, augmentation=Augmentation(flip=True), **place)
        return [
            [(int(name), bool(image[0, 0, 0] > -1)) for name, image in zip(batch.condition, batch.x, strict=True)]
            for _ in range(2)
            for batch in loader
        ]

    whole = mirrored()
    shares = [mirrored(rank=rank, world_size=2) for rank in range(2)]
    assert [first + second for first, second in zip(*shares, strict=True)] == whole
    assert mirrored(start_step=13)[:7] == whole[13:]
    flags = [dict(pair for batch in whole[epoch : epoch + 10] for pair in batch) for epoch in (0, 10)]
    assert flags[0] != flags[1]
    assert 30 < sum(flags[0].values()) < 70


def test_an_unpaired_epoch_goes_on_from_any_step() -> None:
    images = torch.arange(12, dtype=torch.uint8).view(-1, 1, 1, 1)
    store = UnpairedStore(images, images[:5] + 100)

    def epoch(start: int) -> list[torch.Tensor]:
        loader = BatchLoader(store, 4, seed=1, start_step=start)
        return [torch.stack(tuple(batch)) for _ in range(2) for batch in loader]

    assert all(torch.equal(first, second) for first, second in zip(epoch(2), epoch(0)[2:], strict=False))
    targets, sources = torch.cat(epoch(0)[:3], dim=1)
    assert len(targets.unique()) == 12
    assert sorted(sources.unique(return_counts=True)[1].tolist()) == [2, 2, 2, 3, 3]


@pytest.fixture
def captioned() -> SampleStore:
    """Return 100 images: image i has 1 + i % 4 captions, the words wi and c0, c1, ..."""
    captions = Captions([f"w{image}" for image in range(100)] + [f"c{number}" for number in range(4)], 2)
    texts = [[f"w{image} c{number}" for number in range(1 + image % 4)] for image in range(100)]
    images = torch.arange(100, dtype=torch.uint8).view(-1, 1, 1, 1)
    return SampleStore(images, captions.encode_several(texts), condition=captions)


def texts_of(loader: BatchLoader, epochs: int = 1) -> list[list[str]]:
    captions = loader._store.condition
    return [captions.describe(batch.condition) for _ in range(epochs) for batch in loader]


def test_each_epoch_draws_one_of_an_images_captions_uniformly(captioned: SampleStore) -> None:
    counts = torch.zeros(100, 4)
    for batch in texts_of(BatchLoader(captioned, 10, seed=1), epochs=200):
        for text in batch:
            image, number = (int(word[1:]) for word in text.split())
            counts[image, number] += 1
    assert (counts.sum(1) == 200).all()
    for several in range(1, 5):
        by_number = counts[several - 1 :: 4].sum(0)
        assert (by_number[several:] == 0).all()
        expected = 200 * 25 / several
        # Five standard deviations.
        assert ((by_number[:several] - expected).abs() <= 5 * expected**0.5).all()


def test_captions_stay_with_their_images_whoever_draws_them(captioned: SampleStore) -> None:
    for batch in BatchLoader(captioned, 10, seed=3):
        images = ((batch.x[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()
        texts = captioned.condition.describe(batch.condition)
        assert [text.split()[0] for text in texts] == [f"w{image}" for image in images]
    whole = texts_of(BatchLoader(captioned, 10, seed=3), epochs=2)
    first, second = ({text.split()[0]: text for batch in half for text in batch} for half in (whole[:10], whole[10:]))
    assert first != second
    parts = [texts_of(BatchLoader(captioned, 10, seed=3, rank=rank, world_size=2), epochs=2) for rank in range(2)]
    assert [one + other for one, other in zip(*parts, strict=True)] == whole
    assert texts_of(BatchLoader(captioned, 10, seed=3, start_step=7), epochs=2) == whole[7:]


def test_without_a_draw_the_first_caption_counts(captioned: SampleStore) -> None:
    texts = captioned.condition.describe(captioned.batch(torch.arange(4)).condition)
    assert texts == ["w0 c0", "w1 c0", "w2 c0", "w3 c0"]
