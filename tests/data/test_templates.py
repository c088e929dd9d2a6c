"""Labelled data sets with captions by template."""

from pathlib import Path

import pytest
import torch

from genbench.conditions.captions import Captions
from genbench.data.celeba import CelebA
from genbench.data.digits import Digits
from genbench.data.image_folder import ImageFolder
from genbench.data.loader import BatchLoader
from genbench.data.lsun import LSUN
from genbench.data.toy_points import ToyPoints
from genbench.errors import UserError
from tests.data.distributed import make_celeba, make_folder


def texts(data: object, split: str = "test") -> list[list[str]]:
    assert isinstance(data.condition, Captions)  # type: ignore[attr-defined]
    return data.condition.describe_all(data.store(split).conditions[:])  # type: ignore[attr-defined]


def test_a_template_makes_captions_of_classes_which_stay_known() -> None:
    plain, data = Digits(size=8), Digits(size=8, captions="the digit {}")
    classes = plain.store("test").conditions
    assert texts(data) == [[f"the digit {number}"] for number in classes.tolist()]
    assert torch.equal(data.store("test").samples[:], plain.store("test").samples[:])
    assert torch.equal(data.labelled("test").conditions, classes)
    assert data.class_names == plain.class_names == [str(digit) for digit in range(10)]
    batch = next(iter(data.train_dataloader()))
    assert torch.equal(data.condition.check(batch.condition, 64), batch.condition)
    # Without captions nothing is different, and with them the run is of other data.
    assert plain.describe()["parts"] == data.describe()["parts"]
    assert plain.describe()["sha256"] != data.describe()["sha256"]
    assert plain.identity("test") == data.identity("test")


def test_several_templates_are_several_captions_of_each_image() -> None:
    data = Digits(size=8, captions=["a {}", "the digit {}"])
    first = data.labelled("test").conditions[0]
    assert texts(data)[0] == [f"a {first}", f"the digit {first}"]
    drawn = {text.split()[0] for batch in BatchLoader(data.store("train"), 64) for text in
             data.condition.describe(batch.condition)}  # fmt: skip
    assert drawn == {"a", "the"}


def test_names_of_folders_become_words_and_clips_tokens(tmp_path: Path) -> None:
    for number, name in enumerate(("hot_dog", "ice_cream")):
        for split, count in (("train", 4), ("test", 2)):
            make_folder(tmp_path / split / name, count, first=10 * number)
    settings = {"root": str(tmp_path), "prepared": str(tmp_path / "prepared"), "size": 16, "workers": 1}
    data = ImageFolder(captions="a photo of a {}", tokenizer="clip_bpe", **settings)
    assert texts(data) == [[f"a photo of a {name}"] for name in ("hot dog", "hot dog", "ice cream", "ice cream")]
    assert data.class_names == ["hot_dog", "ice_cream"]
    assert data.condition.form.vocabulary == 49_408
    # The pixels are prepared once, whatever the captions.
    assert data.describe()["stores"] == ImageFolder(**settings).describe()["stores"]


def test_faces_are_captioned_by_their_attributes(tmp_path: Path) -> None:
    make_celeba(tmp_path)
    settings = {"root": str(tmp_path), "prepared": str(tmp_path / "prepared"), "size": 16, "workers": 1}
    data = CelebA(captions="a photo of {}", **settings)
    labels = data.labelled("test").conditions
    for (text,), row in zip(texts(data), labels.bool().tolist(), strict=True):
        eyeglasses, male, smiling, young = row
        adjectives = ["smiling"] * smiling + ["young"] * young
        face = " ".join(["a", *adjectives, "man" if male else "woman", *["with eyeglasses"] * eyeglasses])
        assert text == f"a photo of {face}"
    few = CelebA(["Smiling"], captions="{}", **settings)
    assert {text for (text,) in texts(few)} <= {"a person", "a smiling person"}


def test_what_has_no_names_has_no_captions_by_template() -> None:
    with pytest.raises(UserError, match=r"data\.captions: lsun_bedroom has no classes"):
        _ = LSUN(captions="a photo of a {}").condition
    with pytest.raises(UserError, match=r"data\.captions: 'a photo' has no {}"):
        Digits(captions="a photo")
    with pytest.raises(UserError, match=r"data\.tokenizer=clip_bpe has no effect without data\.captions"):
        Digits(tokenizer="clip_bpe")
    with pytest.raises(UserError, match=r"data\.captions: .* has 86 tokens"):
        Digits(size=8, captions="very " * 83 + "{}", tokenizer="clip_bpe").store("test")
    assert texts(ToyPoints(count=10, captions="a {}"))[:1] == [["a circle"]]
