"""Training samples that are encoded once: which, in which order, and kept as what."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.data.augmentation import Augmentation
from genbench.data.digits import Digits
from genbench.data.encoded import Encoding, encoded
from genbench.errors import UserError

ALONE: Any = SimpleNamespace(
    global_rank=0,
    world_size=1,
    global_step=0,
    strategy=SimpleNamespace(root_device="cpu", barrier=lambda: None, broadcast=lambda value: value),
)


def corners(x: Tensor) -> Tensor:
    return 3 * x[:, :, :2, :2]


def ink(x: Tensor) -> Tensor:
    return (x > 0).sum((1, 2, 3))


def never(x: Tensor) -> Tensor:
    raise AssertionError("encoded a second time")


@pytest.mark.parametrize(("encode", "dtype"), [(corners, torch.float32), (ink, torch.int64)])
def test_batches_are_those_of_the_samples_encoded(encode: Any, dtype: torch.dtype, tmp_path: Path) -> None:
    plain, once = Digits(size=8, batch_size=50, seed=3), Digits(size=8, batch_size=50, seed=3)
    once.encoding = Encoding(encode, "latents", "weights", tmp_path)
    once.trainer = ALONE
    for samples, latents in zip(plain.train_dataloader(), once.train_dataloader(), strict=True):
        assert latents.x.dtype == dtype
        # The last bit of a half in [2, 4) is 2^-9.
        torch.testing.assert_close(latents.x, encode(samples.x), rtol=0, atol=2**-10)
        assert torch.equal(latents.condition, samples.condition)


def test_they_are_encoded_once(tmp_path: Path) -> None:
    data = Digits(size=8)
    store, identity = data.store("train"), data.identity("train")
    first = encoded(store, Encoding(corners, "latents", "weights", tmp_path), identity, ALONE)
    second = encoded(store, Encoding(never, "latents", "weights", tmp_path), identity, ALONE)
    assert torch.equal(first.batch(slice(0, 9)).x, second.batch(slice(0, 9)).x)
    for kind, weights, what in (
        ("codes", "weights", identity),
        ("latents", "others", identity),
        ("latents", "weights", {**identity, "sha256": "other"}),
    ):
        with pytest.raises(AssertionError, match="encoded a second time"):
            encoded(store, Encoding(never, kind, weights, tmp_path), what, ALONE)


def test_a_file_that_was_cut_short_is_not_taken(tmp_path: Path) -> None:
    data = Digits(size=8)
    store, identity = data.store("train"), data.identity("train")
    with pytest.raises(AssertionError):
        encoded(
            store,
            Encoding(lambda x: corners(x) if x[0].sum() < -60 else never(x), "latents", "w", tmp_path),
            identity,
            ALONE,
        )
    found = encoded(store, Encoding(corners, "latents", "w", tmp_path), identity, ALONE)
    assert found.batch(slice(len(store) - 3, len(store))).x.abs().max() > 0
    assert len([*tmp_path.glob("*.npy")]) == 1


def test_samples_that_vary_say_why() -> None:
    data = Digits(size=8)
    assert data.varies is None
    data.augmentation = Augmentation(flip=True)
    assert data.varies == "data.flip and data.jitter vary them"


@pytest.mark.parametrize("content", [b"", b"not an array", None])
def test_a_damaged_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    data = Digits(size=8)
    store, identity = data.store("train"), data.identity("train")
    encoded(store, Encoding(corners, "latents", "w", tmp_path), identity, ALONE)
    (file,) = tmp_path.glob("*.npy")
    file.write_bytes(file.read_bytes()[:-20] if content is None else content)
    with pytest.raises(UserError, match=rf"{file.name} is damaged.*delete it"):
        encoded(store, Encoding(corners, "latents", "w", tmp_path), identity, ALONE)
