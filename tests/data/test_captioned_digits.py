"""Digits with captions."""

import torch

from genbench.data.captioned_digits import CaptionedDigits
from genbench.data.digits import Digits


def test_captions_say_which_digit_and_on_which_ground() -> None:
    data, digits = CaptionedDigits(size=8), Digits(size=8).store("test")
    store = data.store("test")
    count = len(digits)
    assert len(store) == 2 * count
    assert torch.equal(store.samples[::2], digits.samples[:])
    assert torch.equal(store.samples[1::2], 255 - digits.samples[:])
    assert store.conditions is not None
    texts = data.condition.describe(store.conditions[:])
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    assert digits.conditions is not None
    classes = digits.conditions[:].tolist()
    for ground, own in (("black", texts[::2]), ("white", texts[1::2])):
        for text, number in zip(own, classes, strict=True):
            words = text.split()
            assert [name for name in names if name in words] == [names[number]]
            assert [each for each in ("black", "white") if each in words] == [ground]
    # In more than one wording, and no word is unknown.
    assert len({text.replace("black", "white") for text in texts}) == 3 * 10
    assert "[?]" not in " ".join(texts)


def test_captions_are_the_same_whatever_the_runs_seed() -> None:
    one, other = (CaptionedDigits(size=8, seed=seed).store("train").conditions for seed in (0, 5))
    assert one is not None
    assert other is not None
    assert torch.equal(one[:], other[:])


def test_batches_are_images_with_their_tokens() -> None:
    data = CaptionedDigits(size=8, batch_size=8)
    batch = next(iter(data.train_dataloader()))
    assert data.condition.check(batch.condition, 8).dtype == torch.int64
    data.medium.check(batch.x, 8)


def test_clips_tokens_are_of_the_same_captions() -> None:
    words, clip = (CaptionedDigits(size=8, tokenizer=name) for name in ("words", "clip_bpe"))
    one, other = (data.condition.describe(data.store("test").conditions[:20]) for data in (words, clip))
    assert one == other
    assert clip.condition.form.end == 49_407
