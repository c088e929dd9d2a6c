"""Folders of images with captions, in the layouts that people have."""

import csv
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from genbench.data.captioned import pack, unpack
from genbench.data.captioned_folder import CaptionedFolder
from genbench.data.description import summary
from genbench.data.image_folder import ImageFolder
from genbench.errors import UserError
from tests.data.distributed import make_folder


def folder(root: Path, **settings: object) -> CaptionedFolder:
    own = {"root": str(root), "prepared": str(root.parent / "prepared"), "size": 8, "workers": 1, "test_every": 0}
    return CaptionedFolder(**{**own, **settings})  # type: ignore[arg-type]


def texts(data: CaptionedFolder, split: str = "train") -> list[list[str]]:
    return data.labels.describe_all(data.store(split).conditions[:])  # type: ignore[index,arg-type]


def make_metadata(root: Path, kind: str = "jsonl") -> Path:
    make_folder(root, 3)
    rows = [{"file_name": f"000{index}.png", "text": f"A photo, no. {index}"} for index in range(3)]
    rows.append({"file_name": "0001.png", "text": "another \u00e9"})
    if kind == "jsonl":
        (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with (root / "metadata.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["file_name", "text"])
            writer.writeheader()
            writer.writerows(rows)
    return root


def make_paired(root: Path) -> Path:
    make_folder(root, 3)
    for index in range(3):
        (root / f"000{index}.txt").write_text(f"A photo, no. {index}\n" + ("\nanother \u00e9\n" if index == 1 else ""))
    (root / "README.txt").write_text("not a caption")
    return root


def make_coco(root: Path) -> Path:
    for split, count in (("train2017", 3), ("val2017", 2), ("test2017", 1)):
        make_folder(root / split, count)
    (root / "annotations").mkdir()
    for split, count in (("train2017", 3), ("val2017", 2)):
        images = [{"id": 7 + index, "file_name": f"000{index}.png"} for index in range(count)]
        captions = [{"image_id": 7 + index, "caption": f"A photo, no. {index}"} for index in reversed(range(count))]
        captions.append({"image_id": 8, "caption": "another \u00e9"})
        (root / "annotations" / f"captions_{split}.json").write_text(
            json.dumps({"images": images, "annotations": captions})
        )
    return root


def make_birds(root: Path, lists: str = "filenames") -> Path:
    names = {"train": "001.Black_footed_Albatross", "test": "002.Laysan_Albatross"}
    for split, name in names.items():
        make_folder(root / "CUB_200_2011" / "images" / name, 3)
        make_folder(root / "CUB_200_2011" / "segmentations" / name, 3)
        (root / "text_c10" / name).mkdir(parents=True)
        for index in range(3):
            lines = [f"A photo, no. {index}", *(["another \u00e9"] if index == 1 else [])]
            (root / "text_c10" / name / f"000{index}.txt").write_text("\n".join(lines) + "\n")
        if lists == "filenames":
            (root / split).mkdir()
            content = pickle.dumps([f"{name}/000{index}" for index in range(3)], protocol=0)
            (root / split / "filenames.pickle").write_bytes(content)
            # StackGAN's embeddings, which are not opened.
            (root / split / "char-CNN-RNN-embeddings.pickle").write_bytes(b"cos\nabort\n(tR.")
    if lists == "classes":
        for file, split in (("trainvalclasses.txt", "train"), ("testclasses.txt", "test")):
            (root / file).write_text(names[split] + "\n")
    return root


EXPECTED = [["a photo , no . 0"], ["a photo , no . 1", "another \u00e9"], ["a photo , no . 2"]]


@pytest.mark.parametrize("make", [make_metadata, make_paired, make_coco, make_birds])
def test_each_layout_is_recognised(tmp_path: Path, make: object) -> None:
    data = folder(make(tmp_path / "images"))  # type: ignore[operator]
    assert texts(data) == EXPECTED
    # Every image has its own captions.
    plain = ImageFolder(root=str(make_folder(tmp_path / "plain", 3)), prepared=str(tmp_path / "prepared"), size=8,
                        workers=1, test_every=0)  # fmt: skip
    assert torch.equal(data.store("train").samples[:], plain.store("train").samples[:])
    data.batch_size = 3
    batch = next(iter(data.train_dataloader()))
    assert torch.equal(data.condition.check(batch.condition, 3), batch.condition)  # type: ignore[union-attr]


def test_links_are_followed(tmp_path: Path) -> None:
    for make in (make_metadata, make_paired):
        make(tmp_path / make.__name__ / "elsewhere")
        (tmp_path / make.__name__ / "images").mkdir()
        (tmp_path / make.__name__ / "images" / "train").symlink_to(tmp_path / make.__name__ / "elsewhere")
        assert texts(folder(tmp_path / make.__name__ / "images")) == EXPECTED


def test_csv_is_read_as_jsonl_is(tmp_path: Path) -> None:
    assert texts(folder(make_metadata(tmp_path / "images", "csv"))) == EXPECTED


@pytest.mark.parametrize("lists", ["filenames", "classes"])
def test_birds_are_divided_as_in_the_paper(tmp_path: Path, lists: str) -> None:
    data = folder(make_birds(tmp_path / "birds", lists))
    assert data.splits == ("train", "test")
    assert texts(data, "test") == EXPECTED
    assert [name.split("/")[2] for name in data.found["test"].origin.list_keys()] == ["002.Laysan_Albatross"] * 3


def test_flowers_have_their_captions_by_class_and_their_images_in_one_folder(tmp_path: Path) -> None:
    make_folder(tmp_path / "flowers" / "jpg", 3)
    for index in range(3):
        place = tmp_path / "flowers" / "text_c10" / f"class_0000{index % 2}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"000{index}.txt").write_text(f"flower {index}\n")
    for split, numbers in (("train", (0, 2)), ("test", (1,))):
        (tmp_path / "flowers" / split).mkdir()
        names = [f"jpg/000{number}" for number in numbers]
        (tmp_path / "flowers" / split / "filenames.pickle").write_bytes(pickle.dumps(names))
    data = folder(tmp_path / "flowers")
    assert texts(data) == [["flower 0"], ["flower 2"]]
    # The test image's number is no word of the training captions.
    assert texts(data, "test") == [["flower [?]"]]


def test_cocos_validation_images_are_the_test_split(tmp_path: Path) -> None:
    data = folder(make_coco(tmp_path / "coco"))
    assert data.splits == ("train", "test")
    assert texts(data, "test") == EXPECTED[:2]
    assert summary(data.describe()) == ["data: captioned_folder: train 3 images (coco), test 2 images (coco)"]


def test_folders_of_splits_and_images_held_out_by_their_names(tmp_path: Path) -> None:
    for split in ("train", "Valid"):
        make_metadata(tmp_path / "divided" / split)
    data = folder(tmp_path / "divided", test_every=2)
    assert (texts(data), texts(data, "test")) == (EXPECTED, EXPECTED)
    make_folder(tmp_path / "whole", 40)
    for index in range(40):
        (tmp_path / "whole" / f"{index:04d}.txt").write_text(f"photo {index}")
    held_out = {text for (text,) in texts(folder(tmp_path / "whole", test_every=4, tokenizer="clip_bpe"), "test")}
    assert 4 <= len(held_out) <= 16
    # Whatever else is there.
    for index in range(0, 40, 2):
        for kind in ("png", "txt"):
            (tmp_path / "whole" / f"{index:04d}.{kind}").unlink()
    fewer = {text for (text,) in texts(folder(tmp_path / "whole", test_every=4, tokenizer="clip_bpe"), "test")}
    assert fewer < held_out


def test_one_store_serves_every_tokenizer_and_outlives_its_source(tmp_path: Path) -> None:
    make_paired(tmp_path / "images")
    words, clip = (folder(tmp_path / "images", tokenizer=name) for name in ("words", "clip_bpe"))
    assert texts(words) == texts(clip) == EXPECTED
    assert words.locate("train").store == clip.locate("train").store
    assert words.labels.length == 6
    assert clip.labels.length == 77
    assert folder(tmp_path / "images", tokenizer="clip_bpe", length=20).store("train").conditions.shape == (3, 2, 20)  # type: ignore[union-attr]
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    assert texts(folder(tmp_path / "images")) == EXPECTED
    with pytest.raises(UserError, match=r"has 8 tokens, .* room for 7: shorten it, or set data\.length"):
        folder(tmp_path / "elsewhere", tokenizer="clip_bpe", length=7).store("train")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("0002.txt", "", "0002.txt has an empty caption"),
        ("0002.txt", None, "0002.png has no caption: mend it, or set data.on_error=skip"),
        ("0009.txt", "a cat", "0009.txt has no image beside it: mend it"),
        ("metadata.jsonl", "{}", "captions in the layouts metadata and pairs: choose one of them"),
    ],
)
def test_pairs_that_are_none_are_named(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    root = make_paired(tmp_path / "images")
    (root / name).unlink(missing_ok=True)
    if content is not None:
        (root / name).write_text(content)
    with pytest.raises(UserError, match=message):
        folder(root).store("train")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"file_name": "0009.png", "text": "a"}', "line 5 names 0009.png, which is not there"),
        ('{"file_name": "../0000.png", "text": "a"}', "line 5 names '../0000.png', which leads out of"),
        (
            '{"file_name": "0000.png", "caption": "a"}',
            "line 5 has file_name, caption, and must have file_name and text",
        ),
        ('{"file_name": "0000.png", "text": " "}', "line 5 has an empty caption"),
        ('{"file_name": "0000.png", "text": 3}', "line 5 has a caption that is no text"),
        ('{"file_name"', "line 5 can't be read as JSON"),
        ("[]", "line 5 is no object"),
        ("[" * 100_000, "line 5 can't be read as JSON: it is nested too deeply"),
        (r'{"file_name": "0000.png", "text": "\ud800"}', "line 5 has a caption that can't be encoded as UTF-8"),
    ],
)
def test_lines_of_metadata_that_do_not_do_are_named(tmp_path: Path, line: str, message: str) -> None:
    root = make_metadata(tmp_path / "images")
    with (root / "metadata.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=message):
        folder(root).store("train")


def test_cocos_captions_that_are_nested_too_deeply_are_named(tmp_path: Path) -> None:
    root = make_coco(tmp_path / "images")
    (root / "annotations" / "captions_val2017.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"captions_val2017\.json can't be read as JSON: it is nested too deeply"):
        folder(root).store("train")


@pytest.mark.parametrize("make", [make_metadata, make_paired, make_birds])
def test_lines_end_with_a_line_feed_alone(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    root = make(tmp_path / "images")
    for file in (path for kind in ("*.jsonl", "*.txt") for path in root.rglob(kind)):
        # A JSON keeps U+2028 unescaped, as most writers do.
        file.write_bytes(file.read_bytes().replace(b", no", "\u2028\u0085no".encode()).replace(b"\n", b"\r\n"))
    expected = [[text.replace(", ", "") for text in own] for own in EXPECTED]
    assert texts(folder(root)) == expected


def test_without_a_training_image_other_stores_are_not_blamed(tmp_path: Path) -> None:
    root = tmp_path / "images"
    for levels in (1, 2):
        make_folder(root / "train", levels)
        make_folder(root / "test", 1)
        for image in root.rglob("*.png"):
            image.with_suffix(".txt").write_text("a photo")
        folder(root).prepare("train")
    for caption in (root / "train").glob("*.txt"):
        caption.unlink()
    with pytest.raises(UserError, match=r"no training image has a caption, only those of the test split"):
        folder(root, on_error="skip").store("train")


def test_what_has_no_counterpart_is_left_out_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_paired(tmp_path / "images")
    (root / "0002.txt").rename(root / "0009.txt")
    assert texts(folder(root, on_error="skip")) == EXPECTED[:2]
    said = capsys.readouterr().err
    assert "1 images without a caption are left out, the first:" in said
    assert "1 captions without an image are left out, the first:" in said


def test_folders_without_captions_and_lists_that_run_code_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "bare", 2)
    with pytest.raises(UserError, match="has images and no captions: looked for metadata"):
        folder(tmp_path / "bare").store("train")
    with pytest.raises(UserError, match=r"has no captions of data\.layout=coco: metadata"):
        folder(tmp_path / "bare", layout="coco").store("train")
    with pytest.raises(UserError, match=r"no data\.layout=cocoa; did you mean coco"):
        folder(tmp_path / "bare", layout="cocoa")
    with pytest.raises(UserError, match="holds no image"):
        folder(tmp_path / "nowhere").store("train")
    root = make_birds(tmp_path / "birds")
    (root / "train" / "filenames.pickle").write_bytes(b"cos\nsystem\n(S'touch it_ran'\ntR.")
    with pytest.raises(UserError, match=r"filenames\.pickle is not a pickled list of names: it asks for os\.system"):
        folder(root).store("train")
    assert not Path("it_ran").exists()


def test_texts_of_any_number_and_length_come_back_as_they_were() -> None:
    several = [["a", "b\u00e9"], [], ["\u732b" * 9, "c", "d"]]
    assert unpack(pack(several)) == several
    assert pack([]).shape == (0, 0, 0)
