"""Emoji: composited, captioned, and held out with all their skin tones."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genbench.data.emoji import SKIN_TONES, Emoji, emoji_captions, skin_tones_of
from genbench.errors import UserError
from tests.data.distributed import encode

WAVE = {
    "name": "WAVING HAND SIGN",
    "short_name": "wave",
    "category": "People & Body",
    "subcategory": "hand-fingers-open",
}


def make_package(root: Path, vendor: str = "google", count: int = 30) -> Path:
    """Write a package as npm unpacks it: every third emoji has two skin tones."""
    package = root / f"emoji-datasource-{vendor}"
    folder = package / "img" / vendor / "64"
    folder.mkdir(parents=True)
    entries = []
    for number in range(count):
        code = f"1F{number:03X}"
        entry = {**WAVE, "name": f"EMOJI {number}", "short_name": f"e_{number}", "unified": code}
        entry |= {"image": f"{code.lower()}.png", f"has_img_{vendor}": True}
        tones = ["1F3FB", "1F3FF"] if number % 3 == 0 else []
        entry["skin_variations"] = {
            tone: {"image": f"{code.lower()}-{tone.lower()}.png", f"has_img_{vendor}": True} for tone in tones
        }
        entries.append(entry)
        for one in (entry, *entry["skin_variations"].values()):
            (folder / one["image"]).write_bytes(encode(picture(number), "PNG"))
    # One that this vendor has not drawn.
    entries.append({**WAVE, "unified": "2049", "image": "2049.png", f"has_img_{vendor}": False})
    (package / "emoji.json").write_text(json.dumps(entries))
    return package


def picture(seed: int) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (64, 64, 4), dtype=np.uint8)
    return Image.fromarray(levels, "RGBA")


def emoji(root: Path, **settings: object) -> Emoji:
    own = {"root": str(root), "prepared": str(root / "prepared"), "size": 64, "workers": 1, "test_every": 4}
    return Emoji(**{**own, **settings})  # type: ignore[arg-type]


def texts(data: Emoji, split: str) -> list[list[str]]:
    return data.labels.describe_all(data.store(split).conditions[:])  # type: ignore[index,arg-type]


def test_captions_are_made_of_name_skin_tone_and_category() -> None:
    assert emoji_captions(WAVE, "1F3FF") == [
        "waving hand sign, dark skin tone",
        "wave, dark skin tone",
        "waving hand sign, dark skin tone, hand fingers open",
        "waving hand sign, dark skin tone, people & body",
    ]
    assert emoji_captions(WAVE)[:2] == ["waving hand sign", "wave"]
    assert emoji_captions(WAVE, "1F3FB-1F3FC")[1] == "wave, light and medium-light skin tone"
    assert emoji_captions({"name": "ONE", "short_name": "one"}, "1F3FD-1F3FD") == ["one, medium skin tone"]
    for code, tone in SKIN_TONES.items():
        assert [skin_tones_of(caption) for caption in emoji_captions(WAVE, code)] == [[tone]] * 4
    assert skin_tones_of("couple, light and medium-dark skin tone, family") == ["light", "medium-dark"]
    assert skin_tones_of("dark moon") == []


@pytest.mark.parametrize(("background", "level"), [("white", (255, 255, 255)), ("#204060", (32, 64, 96))])
def test_transparency_shows_the_background(tmp_path: Path, background: str, level: tuple[int, ...]) -> None:
    make_package(tmp_path, count=3)
    data = emoji(tmp_path, background=background, test_every=0)
    images = data.store("train").samples[:].permute(0, 2, 3, 1).numpy()
    # The first emoji comes thrice, without a skin tone and with two.
    for row, seed in enumerate((0, 0, 0, 1, 2)):
        levels = np.asarray(picture(seed)).astype(np.float64)
        opacity = levels[..., 3:] / 255
        expected = levels[..., :3] * opacity + np.array(level) * (1 - opacity)
        assert np.abs(images[row] - expected).max() <= 1
    assert data.describe()["stores"] != emoji(tmp_path, background="red", test_every=0).describe()["stores"]


def test_an_emoji_is_held_out_with_its_skin_tones_by_both_vendors_alike(tmp_path: Path) -> None:
    for vendor in ("google", "twitter"):
        make_package(tmp_path / "node_modules", vendor)
    google, twitter = (emoji(tmp_path, vendor=vendor) for vendor in ("google", "twitter"))
    names = {split: {own[0].split(",")[0] for own in google.found[split].texts} for split in ("train", "test")}
    assert len(names["train"]) + len(names["test"]) == 30
    assert names["train"].isdisjoint(names["test"])
    assert 2 <= len(names["test"]) <= 15
    assert sum(len(split.texts) for split in google.found.values()) == 30 + 2 * 10
    for split in ("train", "test"):
        assert google.found[split].texts == twitter.found[split].texts
    # The vocabulary is that of the training captions, and every image has four.
    assert texts(google, "train") == [[" , ".join(text.split(", ")) for text in own] for own in
                                      google.found["train"].texts]  # fmt: skip
    assert google.store("train").conditions.shape[1] == 4  # type: ignore[union-attr]


def test_the_package_is_found_by_its_own_folder_too(tmp_path: Path) -> None:
    package = make_package(tmp_path, count=6)
    for root in (package, tmp_path):
        assert len(emoji(root, test_every=0, prepared=str(tmp_path / "prepared")).store("train")) == 10


def test_what_is_missing_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    install = f"npm install --prefix {tmp_path} emoji-datasource-twitter@16"
    make_package(tmp_path, "google", count=3)
    with pytest.raises(UserError, match=f"has no package emoji-datasource-twitter: {install}"):
        emoji(tmp_path, vendor="twitter").store("train")
    package = make_package(tmp_path, "twitter", count=3)
    (package / "img" / "twitter" / "64" / "1f001.png").unlink()
    with pytest.raises(UserError, match=f"1f001.png is missing, which emoji.json names: {install}"):
        emoji(tmp_path, vendor="twitter").store("train")
    (package / "emoji.json").write_text('[{"unified": "1F001"}]')
    with pytest.raises(UserError, match=r"emoji\.json has an emoji without 'image'"):
        emoji(tmp_path, vendor="twitter").store("train")
    for settings, message in (
        ({"vendor": "apple"}, r"data\.vendor must be google or twitter, not 'apple'"),
        ({"background": "whit"}, r"data\.background must be a colour"),
        ({"background": "#ffffff00"}, r"data\.background must be a colour without transparency"),
        ({"test_every": 1}, r"data\.test_every must be 0 or at least 2"),
    ):
        with pytest.raises(UserError, match=message):
            emoji(tmp_path, **settings)
