"""Portraits: whole people are held out, and the frames beside an image are others of the same person."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.conditions.shots import Shots
from genbench.data.augmentation import Variation
from genbench.data.portraits import Portraits, PortraitStore
from genbench.errors import UserError


def write_people(root: Path, people: int = 4, frames: int = 5, size: int = 8) -> Path:
    """Write folders of frames whose grey says who it is, and which frame."""
    for person in range(people):
        folder = root / f"p{person + 1}"
        folder.mkdir(parents=True)
        for frame in range(frames):
            Image.new("L", (size, size), 40 * (person + 1) + frame).save(folder / f"{frame + 1}.png")
    return root


def portraits(root: Path, tmp_path: Path, **settings: object) -> Portraits:
    given = {"size": 8, "channels": 1, "shots": 3, "test_every": 4, "batch_size": 4, "workers": 1}
    return Portraits(root=str(root), prepared=str(tmp_path / "prepared"), **(given | settings))  # type: ignore[arg-type]


def greys(frames: torch.Tensor) -> torch.Tensor:
    """Return the grey of frames (..., 1, 8, 8) in [-1, 1]."""
    return ((frames[..., 0, 0, 0] + 1) * 127.5).round().long()


def test_whole_people_are_held_out(tmp_path: Path) -> None:
    data = portraits(write_people(tmp_path / "root"), tmp_path)
    train, test = (data.store(split) for split in ("train", "test"))
    assert (len(train), len(test)) == (15, 5)
    assert isinstance(train, PortraitStore)
    assert isinstance(test, PortraitStore)
    assert set(train.people.tolist()) == {0, 1, 2}
    assert set(test.people.tolist()) == {3}
    assert data.describe()["parts"]["test"]["from"] == "one person in 4, held out"
    # No pixel of a held-out person is in any batch of training, neither as an image nor beside one.
    seen = torch.cat([torch.cat([greys(x)[:, None], greys(data.condition.split(y)[1])], 1) for x, y in batches(data)])
    assert int(seen.max()) < 160


def batches(data: Portraits) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return those of three epochs."""
    loader = data.train_dataloader()
    return [batch.pair() for _ in range(3) for batch in loader]


def test_frames_of_a_row_are_others_of_one_person(tmp_path: Path) -> None:
    data = portraits(write_people(tmp_path / "root"), tmp_path)
    seen = set()
    for x, y in batches(data):
        people, frames = data.condition.split(y)
        target, beside = greys(x), greys(frames)
        assert torch.equal(target // 40 - 1, people)
        assert (beside // 40 - 1 == people[:, None]).all()
        # K different ones, none of them the image itself.
        assert (beside != target[:, None]).all()
        assert all(len(set(row)) == 3 for row in beside.tolist())
        seen |= {tuple(row) for row in beside.tolist()}
    # Not always the same.
    assert len(seen) > 15


def test_the_choice_of_frames_depends_on_seed_and_epoch_alone(tmp_path: Path) -> None:
    root = write_people(tmp_path / "root")
    one, two = (batches(portraits(root, tmp_path)) for _ in range(2))
    assert all(torch.equal(y, z) for (_, y), (_, z) in zip(one, two, strict=True))
    other = batches(portraits(root, tmp_path, seed=1))
    assert any(not torch.equal(y, z) for (_, y), (_, z) in zip(one, other, strict=True))


def test_without_a_choice_they_are_the_first_ones(tmp_path: Path) -> None:
    data = portraits(write_people(tmp_path / "root"), tmp_path)
    store = data.store("train")
    batch = store.batch(slice(0, 5))
    assert torch.equal(batch.condition, store.conditions[slice(0, 5)])  # type: ignore[index, arg-type]
    frames = greys(data.condition.split(batch.pair()[1])[1])
    assert frames.tolist() == [[41, 42, 43], [40, 42, 43], [40, 41, 43], [40, 41, 42], [40, 41, 42]]


def test_frames_are_repeated_where_there_are_too_few(tmp_path: Path) -> None:
    data = portraits(write_people(tmp_path / "root", frames=2), tmp_path)
    _, y = data.store("train").batch(torch.tensor([0])).pair()
    assert greys(data.condition.split(y)[1]).tolist() == [[41, 41, 41]]


def test_frames_share_the_flip_of_their_image(tmp_path: Path) -> None:
    root = write_people(tmp_path / "root")
    left = np.zeros((8, 8), np.uint8)
    left[:, :4] = 255
    for path in root.rglob("*.png"):
        Image.fromarray(left).save(path)
    data = portraits(root, tmp_path)
    x, y = data.store("train").batch(torch.tensor([0, 5]), variation=Variation(torch.tensor([True, False]))).pair()
    frames = data.condition.split(y)[1]
    assert torch.equal(frames, x[:, None].expand_as(frames))
    assert not torch.equal(x[0], x[1])


def test_folders_of_splits_hold_out_their_people(tmp_path: Path) -> None:
    write_people(tmp_path / "root" / "train", 2)
    write_people(tmp_path / "other", 3)
    (tmp_path / "root" / "test").mkdir()
    (tmp_path / "other" / "p3").rename(tmp_path / "root" / "test" / "p3")
    data = portraits(tmp_path / "root", tmp_path)
    assert data.condition.people.names == ["p1", "p2", "p3"]
    assert data.store("test").people.tolist() == [2] * 5  # type: ignore[attr-defined]


def test_what_does_not_do(tmp_path: Path) -> None:
    root = write_people(tmp_path / "root", frames=1)
    with pytest.raises(UserError, match="p1 has a single frame"):
        portraits(root, tmp_path).store("train")
    with pytest.raises(UserError, match=r"data\.shots"):
        portraits(root, tmp_path, shots=0)
    for path in sorted(root.rglob("*.png")):
        path.rename(root / f"{path.parent.name}_{path.name}")
    with pytest.raises(UserError, match="no folder of frames"):
        _ = portraits(root, tmp_path).condition


def test_no_one_is_held_out_on_request(tmp_path: Path) -> None:
    data = portraits(write_people(tmp_path / "root"), tmp_path, test_every=0)
    assert data.splits == ("train",)
    assert len(data.store("train")) == 20


def test_rows_come_back_and_say_who_it_is() -> None:
    shots = Shots(["ann", "ben"], 2, (1, 4, 4))
    frames = torch.rand(3, 2, 1, 4, 4)
    rows = shots.pack(torch.tensor([1, 0, 2]), frames)
    people, back = shots.split(shots.check(rows, 3))
    assert people.tolist() == [1, 0, 2]
    assert torch.equal(back, frames)
    assert shots.describe(rows) == ["1: ben", "0: ann", ""]
    assert shots.picture(rows).shape == (3, 1, 4, 4)
    assert shots.split(shots.null(1))[0].tolist() == [2]
    for wrong, message in ((rows[:, 1:], "numbers"), (shots.pack(torch.tensor([3, 0, 0]), frames), "from 0 to 1")):
        with pytest.raises(ValueError, match=message):
            shots.check(wrong, 3)
    with pytest.raises(ValueError, match="editor=animate"):
        shots.parse("ann")
    with pytest.raises(ValueError, match="at least one frame"):
        Shots(["ann"], 0, (1, 4, 4))
