"""The cache of references: a second evaluation looks at no real image, and another data set is another file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from genbench.data.digits import Digits
from genbench.errors import UserError
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.extractors.digits import DigitClassifier


def test_a_second_evaluation_extracts_nothing_of_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = Digits().store("test").samples[:]
    scores = ["fid", "is", "neighbours", "modes"]
    first = Evaluator(count=10, scores=scores, cache=str(tmp_path))
    first.set_reference(Digits())
    expected = first.score_images(test)
    seen: list[int] = []
    forward = DigitClassifier.forward

    def count(self: DigitClassifier, images: torch.Tensor) -> object:
        seen.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(DigitClassifier, "forward", count)
    second = Evaluator(count=10, scores=scores, cache=str(tmp_path))
    second.set_reference(Digits())
    assert seen == []
    assert second.score_images(test) == expected
    assert sum(seen) == len(test)
    for other in (Digits(size=16), Digits()):
        Evaluator(count=10, cache=str(tmp_path)).set_reference(other, "test")
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    evaluator = Evaluator(count=10, cache=str(tmp_path))
    evaluator.set_reference(Digits())
    (file,) = tmp_path.glob("*.safetensors")
    whole = {name: tensor.clone() for name, tensor in load_file(file).items()}
    file.write_bytes(file.read_bytes()[:1000])
    evaluator.set_reference(Digits())
    again = load_file(file)
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_the_protocol_says_how_the_reference_was_prepared() -> None:
    evaluator = Evaluator(count=10)
    evaluator.set_reference(Digits(size=16))
    protocol = evaluator.score_images(Digits(size=16).store("test").samples[:]).protocol
    assert protocol["reference_identity"]["image_shape"] == [1, 16, 16]
    assert len(protocol["reference_identity"]["sha256"]) == 16
    assert set(protocol["versions"]) == {"genbench", "torch"}


def test_a_reference_of_one_picture_is_refused() -> None:
    data = Digits()
    data.store("train").samples = torch.full((20, 1, 28, 28), 7, dtype=torch.uint8)
    with pytest.raises(UserError, match="have the same features"):
        Evaluator(count=10).set_reference(data)


def test_samples_out_of_range_or_not_finite_are_refused() -> None:
    evaluator = Evaluator(count=100)
    evaluator.set_reference(Digits())
    device = torch.device("cpu")
    for value, message in [(float("nan"), "sample 0 of the method is not finite"), (200.0, "from 200 to 200")]:
        with pytest.raises(UserError, match=message):
            evaluator.score_method(
                lambda count, condition, noise, value=value: torch.full((count, 1, 28, 28), value), device
            )
    with pytest.raises(UserError, match=r"shape \(64, 28, 28\)"):
        evaluator.score_method(lambda count, condition, noise: torch.zeros(count, 28, 28), device)
