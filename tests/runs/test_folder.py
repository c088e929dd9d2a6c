"""A run folder, without a training: what it opens, refuses and remembers."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from genbench.errors import TrainingError, UserError
from genbench.runs.checkpoint_files import CheckpointFiles
from genbench.runs.folder import RunFolder, code_revision, describe_session

CONFIG: dict[str, Any] = {
    "name": "run",
    "seed": 0,
    "steps": 4,
    "callbacks": {},
    "logger": {},
    "data": {"_target_": "genbench.data.digits.Digits"},
    "method": {"_target_": "genbench.methods.adversarial.gan.GAN"},
    "trainer": {"_target_": "lightning.pytorch.trainer.Trainer"},
}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "outputs" / "run")
    run.create(OmegaConf.create(CONFIG))
    return run


def save(run: RunFolder, step: int) -> None:
    content = {"state_dict": {"weight": torch.full((3,), float(step))}, "global_step": step}
    CheckpointFiles().save_checkpoint(content, run.checkpoints / "last.ckpt")


def test_a_configuration_comes_back_with_its_references_resolved(tmp_path: Path) -> None:
    run = RunFolder(str(tmp_path / "a" / "b"))
    run.create(OmegaConf.create(CONFIG | {"steps": "${seed}"}))
    assert run.read_config() == CONFIG | {"steps": 0}
    assert RunFolder.open(run.path).config_file == tmp_path / "a" / "b" / "config.yaml"
    run.create(OmegaConf.create(CONFIG))
    assert run.read_config().steps == 4
    with pytest.raises(UserError, match=r"is not a run folder: it has no config\.yaml"):
        RunFolder.open(tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(({key: None}, f"it lacks {key}") for key in CONFIG),
        *(({key: {}}, f"it lacks {key}") for key in ("data", "method", "trainer")),
        *(({key: "text"}, f"it lacks {key}") for key in ("data", "method", "trainer")),
        ({"seed": None, "data": {}}, "it lacks seed, data"),
        ({"seed": "0"}, "seed and steps must be whole numbers"),
        ({"steps": 1.5}, "seed and steps must be whole numbers"),
    ],
)
def test_what_is_no_configuration_of_a_run_is_refused(folder: RunFolder, change: dict[str, Any], message: str) -> None:
    folder.config_file.write_text(yaml.safe_dump(CONFIG | change))
    with pytest.raises(UserError, match=message):
        folder.read_config()


def test_what_is_no_configuration_at_all_is_refused(folder: RunFolder) -> None:
    for content, message in ((b"a: [", "can't be read"), (b"\xff\xfe\xfa", "can't be read"), (b"- 1", "is not a conf")):
        folder.config_file.write_bytes(content)
        with pytest.raises(UserError, match=f"config.yaml {message}"):
            folder.read_config()


def test_checkpoints_by_name(folder: RunFolder) -> None:
    with pytest.raises(UserError, match="has no checkpoint 'last'; it has: none"):
        folder.checkpoint()
    with pytest.raises(UserError, match="kept no checkpoints"):
        folder.kept_checkpoints()
    assert folder.newest_checkpoints() == []
    save(folder, 2)
    for name in ("step_0000010", "step_0000002", "best"):
        (folder.checkpoints / f"{name}.ckpt").touch()
    assert folder.checkpoint("best").name == "best.ckpt"
    assert folder.kept_checkpoints() == ["step_0000002", "step_0000010"]
    with pytest.raises(UserError, match="no checkpoint 'bets'; it has: best, last, step_0000002, step_0000010"):
        folder.checkpoint("bets")
    assert [file.name for file in folder.newest_checkpoints()] == ["last.ckpt"]
    save(folder, 4)
    assert [file.name for file in folder.newest_checkpoints()] == ["last.ckpt", "previous.ckpt"]
    assert folder.load_checkpoint()["global_step"] == 4
    assert folder.load_checkpoint("previous")["global_step"] == 2
    # As between two renamings.
    folder.checkpoint().unlink()
    assert folder.read_checkpoint()[0].name == "previous.ckpt"


def test_a_damaged_checkpoint_has_a_substitute_if_it_is_the_last(
    folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    save(folder, 2)
    folder.checkpoint().write_bytes(folder.checkpoint().read_bytes()[:-50])
    with pytest.raises(UserError, match=r"last\.ckpt is damaged or not a checkpoint of GenBench"):
        folder.load_checkpoint()
    save(folder, 3)
    save(folder, 4)
    torch.save({"weights": 1}, folder.checkpoint())
    path, content = folder.read_checkpoint()
    assert (path.name, content["global_step"]) == ("previous.ckpt", 3)
    assert "it has no state_dict; " in (said := capsys.readouterr().err)
    assert "previous.ckpt is used, the one before" in said
    torch.save([1], folder.checkpoints / "best.ckpt")
    with pytest.raises(UserError, match="it has no state_dict"):
        folder.load_checkpoint("best")


def test_one_flipped_bit_of_the_weights_is_seen(folder: RunFolder) -> None:
    save(folder, 2)
    data = bytearray(folder.checkpoint().read_bytes())
    data[data.index(torch.full((3,), 2.0).numpy().tobytes())] ^= 1
    folder.checkpoint().write_bytes(data)
    with pytest.raises(UserError, match=r"the checksum of its part .* is wrong"):
        folder.load_checkpoint()


def test_where_a_run_goes_on(folder: RunFolder) -> None:
    assert folder.resume_point(4) is None
    save(folder, 2)
    assert folder.resume_point(4) == folder.checkpoints / "last.ckpt"
    # Nothing is left to do, and nothing is before.
    assert folder.resume_point(2) is None
    save(folder, 4)
    assert folder.resume_point(5) == folder.checkpoints / "last.ckpt"
    # Its end was not reached, so the last steps are done again.
    assert folder.resume_point(4) == folder.checkpoints / "previous.ckpt"
    with pytest.raises(UserError, match="has done 4 steps; to go on ask for more, such as steps=8"):
        folder.resume_point(3)
    save(folder, 4)
    assert folder.resume_point(4) is None
    torch.save({"state_dict": {}}, folder.checkpoint())
    assert folder.resume_point(1) == folder.checkpoints / "last.ckpt"


def test_the_manifest_remembers(folder: RunFolder) -> None:
    assert folder.read_manifest() == folder.read_data() == {}
    assert folder.finished_steps() == 0
    folder.add_to_manifest(steps=4, data={"name": "digits"})
    folder.add_to_manifest(steps=6)
    assert folder.read_manifest() == {"steps": 6, "data": {"name": "digits"}}
    assert folder.read_data() == {"name": "digits"}
    assert folder.finished_steps() == 6
    folder.add_to_manifest(steps="many", data="digits")
    assert folder.finished_steps() == 0
    assert folder.read_data() == {}


def test_pictures_in_the_order_of_their_steps(folder: RunFolder) -> None:
    folder.samples.mkdir()
    for name in ("step_0000010.png", "step_0000002.png", "step_last.png", "nearest_0000001.png", "step_0000003.txt"):
        (folder.samples / name).touch()
    assert [file.name for file in folder.pictures("step")] == ["step_0000002.png", "step_0000010.png"]


def test_what_is_discarded_goes_with_the_folders_that_were_made_for_it(tmp_path: Path, folder: RunFolder) -> None:
    other = RunFolder(tmp_path / "outputs" / "other" / "deep")
    other.create(OmegaConf.create(CONFIG))
    other.discard(tmp_path)
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["run"]
    folder.discard(tmp_path / "outputs")
    assert list((tmp_path / "outputs").iterdir()) == []
    folder.create(OmegaConf.create(CONFIG))
    folder.discard(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert tmp_path.exists()


def test_a_session_says_what_it_ran_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    facts = describe_session()
    assert facts["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert set(facts["versions"]) == {
        "python", "torch", "torchvision", "lightning", "torchmetrics", "hydra-core", "numpy"
    }  # fmt: skip
    assert facts["machine"]["threads"] == torch.get_num_threads()
    assert len(facts["machine"]["gpus"]) == torch.cuda.device_count()
    assert facts["machine"]["cpu_count"] >= 1
    assert facts["begun"][4] == facts["begun"][7] == "-"
    assert facts["begun"][10] == "T"
    assert facts["begun"][-5] in "+-"
    assert facts["revision"] == code_revision()
    # Without git, or outside of a checkout, there is none.
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_revision() is None


def test_checkpoints_make_their_folder_and_keep_the_one_before(tmp_path: Path) -> None:
    writer = CheckpointFiles()
    for step in (1, 2, 3):
        for name, content in (("last", step), ("best", 10 * step)):
            writer.save_checkpoint({"step": content}, str(tmp_path / "a" / "b" / f"{name}.ckpt"))
    there = {file.name: torch.load(file)["step"] for file in (tmp_path / "a" / "b").iterdir()}
    assert there == {"last.ckpt": 3, "previous.ckpt": 2, "best.ckpt": 30}


def test_a_checkpoint_that_cant_be_written_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"last\.ckpt can't be written: (Not a directory|File exists)$"):
        CheckpointFiles().save_checkpoint({}, tmp_path / "file" / "last.ckpt")

    def fail(*_: object) -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError as error:
            raise RuntimeError("unexpected pos 64 vs 0") from error

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(TrainingError, match=r"last\.ckpt can't be written: No space left on device$"):
        CheckpointFiles().save_checkpoint({}, tmp_path / "last.ckpt")
