"""A run folder keeps what its samples are asked to show, and trusts no file for more than that."""

import json
from pathlib import Path

import pytest

from genbench.__main__ import main
from genbench.conditions.attributes import Attributes
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.embeddings import Embeddings
from genbench.conditions.source_images import SourceImages
from genbench.errors import UserError
from genbench.runs.folder import UNKNOWN, RunFolder
from tests.conftest import Train
from tests.kinds import classes


@pytest.mark.parametrize(
    "condition",
    [classes(3), Attributes(["Smiling"]), Captions(["a", "é", '"'], 4), SourceImages((1, 4, 6)), Embeddings(5), None],
)
def test_what_was_kept_is_read_back(tmp_path: Path, condition: Condition | None) -> None:
    folder = RunFolder(tmp_path)
    assert folder.read_condition() is UNKNOWN
    folder.write_condition(condition)
    found = folder.read_condition()
    if condition is None:
        assert found is None
    else:
        assert type(found) is type(condition)
        assert isinstance(found, Condition)
        assert found.to_dict() == condition.to_dict()


@pytest.mark.parametrize(
    "target",
    ["os.system", "subprocess.Popen", "genbench.conditions.base.ABC", "genbench.conditions.nothing.Classes", 3],
)
def test_a_condition_of_other_classes_is_refused(tmp_path: Path, target: object) -> None:
    folder = RunFolder(tmp_path)
    folder.condition_file.write_text(json.dumps({"condition": {"_target_": target, "args": "touch it_ran"}}))
    with pytest.raises(UserError, match=r"condition\.json: _target_ .* is not trusted"):
        folder.read_condition()
    assert not Path("it_ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"condition": []}',
        '{"condition": "classes"}',
        '{"condition": {"names": ["a"]}}',
        '{"condition": {"_target_": "genbench.conditions.classes.Classes"}}',
        '{"condition": {"_target_": "genbench.conditions.classes.Classes", "names": 3}}',
        '{"condition": {"_target_": "genbench.conditions.classes.Classes", "names": []}}',
        '{"condition": {"_target_": "genbench.conditions.classes.Classes", "names": ["a"], "more": 1}}',
        '{"condition": {"_target_": "genbench.conditions.captions.Captions", "words": ["a"], "length": 0}}',
        '{"condition": {"_target_": "genbench.conditions.source_images.SourceImages", "shape": [1, 2]}}',
        '{"condition": {"_target_": "genbench.conditions.base.Condition"}}',
        '{"condition": {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 1}}',
    ],
)
def test_a_damaged_file_is_one_message(tmp_path: Path, content: str) -> None:
    folder = RunFolder(tmp_path)
    folder.condition_file.write_text(content)
    with pytest.raises(UserError, match=r"condition\.json"):
        folder.read_condition()


def test_a_run_needs_no_data_to_draw_its_classes(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train("method=cgan", "method.embedding_dim=4", "steps=1", "callbacks.scores=null")
    kept = json.loads((run / "condition.json").read_text())["condition"]
    assert kept == {"_target_": "genbench.conditions.classes.Classes", "names": [str(digit) for digit in range(10)]}
    monkeypatch.setattr("genbench.data.digits.Digits.load", lambda self, split: pytest.fail("it read the data"))
    assert main(["sample", f"run={run}", "count=3", "label=7", "device=cpu", f"out={tmp_path / 'sevens'}"]) == 0
    assert main(["sample", f"run={run}", "count=3", "device=cpu", f"out={tmp_path / 'in_turn'}"]) == 0
    capsys.readouterr()
    (run / "condition.json").write_text("{")
    assert main(["sample", f"run={run}", "count=3", "device=cpu"]) == 2
    said = capsys.readouterr().err
    assert "condition.json" in said
    assert said.count("\n") == 1
    # Runs of earlier versions did not keep it: it follows from the data.
    (run / "condition.json").unlink()
    assert main(["sample", f"run={run}", "count=3", "label=7", "device=cpu", f"out={tmp_path / 'again'}"]) == 0
    assert (tmp_path / "again" / "images" / "000001.png").read_bytes() == (
        tmp_path / "sevens" / "images" / "000001.png"
    ).read_bytes()


def test_an_unconditional_run_says_so(train: Train) -> None:
    run = train("steps=1", "callbacks.scores=null")
    assert json.loads((run / "condition.json").read_text()) == {"condition": None}


def test_a_file_that_is_nested_too_deeply_is_named(tmp_path: Path) -> None:
    (tmp_path / "condition.json").write_text('{"condition": ' + "[" * 100_000)
    with pytest.raises(UserError, match=r"condition\.json can't be read: it is nested too deeply"):
        RunFolder(tmp_path).read_condition()
