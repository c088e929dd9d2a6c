"""Emoji in six domains: held out with all of them, each beside its source, of every ordered pair."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.conditions.target_domain import TargetDomain
from genbench.data.emoji_domains import DOMAINS, EmojiDomains
from genbench.data.emoji_package import SKIN_TONES
from genbench.errors import UserError
from genbench.images import to_uint8
from tests.data.distributed import encode


def make_toned_package(root: Path, count: int = 12) -> Path:
    """Write a package as npm unpacks it, each emoji in six colours but the last, which lacks one; emoji n is n red."""
    package = root / "emoji-datasource-google"
    folder = package / "img" / "google" / "64"
    folder.mkdir(parents=True)
    entries = []
    for number in range(count):
        code = f"1F{number:03X}"
        tones = list(SKIN_TONES)[: 4 if number == count - 1 else None]
        drawn = {tone: {"image": f"{number}-{tone}.png", "has_img_google": True} for tone in tones}
        entry = {"unified": code, "image": f"{number}.png", "has_img_google": True, "skin_variations": drawn}
        entries.append(entry)
        for domain, one in enumerate((entry, *drawn.values())):
            levels = np.full((64, 64, 4), 255, dtype=np.uint8)
            levels[8:56, 8:56, :3] = (number * 10, 40 * domain, 128)
            (folder / str(one["image"])).write_bytes(encode(Image.fromarray(levels, "RGBA"), "PNG"))
    (package / "emoji.json").write_text(json.dumps(entries))
    return package


def emoji_domains(root: Path, **settings: object) -> EmojiDomains:
    own = {"root": str(root), "prepared": str(root / "prepared"), "size": 16, "workers": 1, "test_every": 3}
    return EmojiDomains(**{**own, **settings})  # type: ignore[arg-type]


def facts_of(data: EmojiDomains, split: str) -> tuple[torch.Tensor, ...]:
    """Return which emoji an image and its source are of, their domains, and the domain that the row says."""
    store = data.store(split)
    assert isinstance(data.condition, TargetDomain)
    assert store.conditions is not None
    domains, sources = data.condition.split(store.conditions[:])
    found = [domains]
    for images in (store.samples[:], to_uint8(sources)):
        pixel = images[:, :, 8, 8].float()
        found += [(pixel[:, 0] / 10).round().long(), (pixel[:, 1] / 40).round().long()]
    return tuple(found)


def test_each_training_image_is_there_once_in_its_own_domain(tmp_path: Path) -> None:
    make_toned_package(tmp_path)
    said, emoji, domain, source_emoji, source_domain = facts_of(emoji_domains(tmp_path), "train")
    assert torch.equal(said, domain)
    assert torch.equal(emoji, source_emoji)
    assert torch.equal(source_domain, (domain + 1) % 6)
    assert torch.bincount(domain).tolist() == [len(emoji.unique())] * 6
    assert len(torch.stack([emoji, domain], 1).unique(dim=0)) == len(emoji)


def test_held_out_are_whole_emoji_in_every_ordered_pair(tmp_path: Path) -> None:
    make_toned_package(tmp_path)
    data = emoji_domains(tmp_path)
    said, emoji, domain, source_emoji, source_domain = facts_of(data, "test")
    assert torch.equal(said, domain)
    assert torch.equal(emoji, source_emoji)
    assert (domain != source_domain).all()
    pairs = torch.stack([emoji, source_domain, domain], 1)
    assert len(pairs.unique(dim=0)) == len(pairs) == 30 * len(emoji.unique())
    trained = facts_of(data, "train")[1]
    # The emoji that lacks a domain is in neither.
    assert sorted([*emoji.unique().tolist(), *trained.unique().tolist()]) == list(range(11))
    # The first rows are of different emoji in the first domain, for pictures.
    first = len(emoji.unique())
    assert (source_domain[: 5 * first] == 0).all()
    assert len(emoji[:first].unique()) == first
    assert data.where("test") == "one emoji in 3, held out in all domains"
    assert data.describe()["parts"]["test"]["images"] == 6 * first


def test_what_does_not_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="npm install"):
        emoji_domains(tmp_path).store("train")
    with pytest.raises(UserError, match=r"data\.vendor must be google or twitter"):
        emoji_domains(tmp_path, vendor="apple")
    make_toned_package(tmp_path)
    assert "test" not in emoji_domains(tmp_path, test_every=0).splits
    assert DOMAINS == ("yellow", "light", "medium-light", "medium", "medium-dark", "dark")
