"""Every score goes through one interface: in a training, in `evaluate`, on a curve, between two runs, on the page."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from genbench.__main__ import main
from genbench.commands.leaderboard import Rows, score_table
from genbench.commands.run_records import read_run
from tests.commands.test_adversarial_family import METHODS as ADVERSARIAL
from tests.commands.test_adversarial_family import SMALL
from tests.commands.test_denoising_family import METHODS as DENOISING


def train(output: Path, words: list[str], *settings: str) -> Path:
    assert main([*words, f"output={output}", "name=run", *settings]) == 0
    (folder,) = (output / "run").iterdir()
    return folder


def scores_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "scores.json").read_text())
    return found


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a VAE without any scores."""
    output = tmp_path_factory.mktemp("vae")
    words = [word for word in DENOISING["vae"] if not word.startswith("metrics.")]
    return train(output, words, "metrics=none", "steps=4", "callbacks.checkpoints.keep=2")


def test_a_run_without_scores_is_scored_by_its_likelihood_alone(vae: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not (vae / "scores.json").exists()
    assert main(["evaluate", f"run={vae}", "device=cpu"]) == 2
    assert "trained with metrics=none: choose metrics=" in capsys.readouterr().err
    assert main(["evaluate", f"run={vae}", "device=cpu", "likelihood=30"]) == 0
    said = capsys.readouterr().out
    assert "30 held-out images" in said
    found = scores_of(vae)
    assert set(found["values"]) == {"bits_per_dim", "bits_per_dim_std"}
    assert found["protocol"]["likelihood_count"] == 30
    assert not {"count", "reference", "extractor"} & found["protocol"].keys()
    assert found["real_test_images"] is None
    # On a curve, and against another run.
    assert main(["evaluate", f"run={vae}", "device=cpu", "likelihood=30", "checkpoint=all"]) == 0
    rows = list(csv.DictReader((vae / "scores_by_step.csv").open()))
    assert [row["step"] for row in rows] == ["2", "4"]
    assert float(rows[1]["bits_per_dim"]) == pytest.approx(found["values"]["bits_per_dim"])
    assert main(["evaluate", f"run={vae}", "device=cpu", "likelihood=30", f"against={vae}"]) == 0
    compared = json.loads((vae / "comparison.json").read_text())
    assert compared["scores"]["bits_per_dim"]["interval"] == [0, 0]
    assert compared["better"] == {"bits_per_dim": "lower"}
    assert main(["report", f"runs={vae}", "out=page"]) == 0
    assert "30 held-out images" in Path("page/index.html").read_text()


def test_a_likelihood_is_a_score_as_any_other(vae: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["metrics.scores=[fid,bits_per_dim]", "+metrics.likelihood=20", "callbacks.checkpoints.monitor"]
    run = train(tmp_path, DENOISING["vae"], *words[:2], f"{words[2]}=score/bits_per_dim", "steps=2")
    assert {"fid_digits", "bits_per_dim"} <= scores_of(run)["values"].keys()
    assert scores_of(run)["protocol"]["likelihood_count"] == 20
    assert (run / "checkpoints" / "best.ckpt").is_file()
    assert main(["evaluate", f"run={run}", "device=cpu"]) == 0
    # What the training wrote is what is written again.
    assert len(scores_of(run).get("others", [])) == 0
    assert main(["evaluate", f"run={vae}", "device=cpu", "metrics=digits", "metrics.scores=[psnr]"]) == 2
    assert "metrics.scores=psnr: it takes a target of each sample" in capsys.readouterr().err


@pytest.fixture(scope="module")
def pix2pix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a translation whose best checkpoint has the best ratio to the peak."""
    output = tmp_path_factory.mktemp("pix2pix")
    words = ["metrics.scores=[fid,psnr]", "callbacks.checkpoints.monitor=score/psnr", "steps=4"]
    return train(output, ADVERSARIAL["pix2pix"], *SMALL, *words, "callbacks.scores.every=2")


def test_translations_are_scored_in_training_and_after(pix2pix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = scores_of(pix2pix)
    assert set(trained["values"]) - {"fid_digits_std"} == {"fid_digits", "psnr"}
    assert trained["better"]["psnr"] == "higher"
    assert (pix2pix / "checkpoints" / "best.ckpt").is_file()
    assert "score/psnr" in (pix2pix / "metrics.csv").read_text().splitlines()[0]
    assert main(["evaluate", f"run={pix2pix}", "device=cpu"]) == 0
    found = scores_of(pix2pix)
    assert {"mae", "ssim", "target_agreement_digits", "psnr"} <= found["values"].keys()
    assert found["values"]["psnr"] == pytest.approx(trained["values"]["psnr"], rel=1e-5)
    # Real images have no targets, which is not for want of images.
    assert "too few" not in capsys.readouterr().out
    assert set(found["real_test_images"]["values"]) - {"fid_digits_std"} == {"fid_digits"}
    assert main(["evaluate", f"run={pix2pix}", "device=cpu", f"against={pix2pix}"]) == 0
    compared = json.loads((pix2pix / "comparison.json").read_text())["scores"]
    for name in ("fid_digits", "psnr", "mae", "target_agreement_digits"):
        assert (compared[name]["difference"], compared[name]["interval"]) == (0, [0, 0])


def test_two_domains_are_compared_with_their_intervals(tmp_path: Path) -> None:
    run = train(tmp_path, ADVERSARIAL["cyclegan"], *SMALL, "steps=2")
    assert main(["evaluate", f"run={run}", "device=cpu", f"against={run}"]) == 0
    compared = json.loads((run / "comparison.json").read_text())["scores"]
    for name in ("in_target_domain_digits", "domain_accuracy_digits", "cycle_source", "cycle_target"):
        assert (compared[name]["difference"], compared[name]["interval"]) == (0, [0, 0])


def test_a_table_goes_by_the_ends_that_stand_beside_the_scores(pix2pix: Path, tmp_path: Path) -> None:
    """As of a plug-in's score, which whoever makes the page need not have."""
    file = pix2pix / "scores.json"
    before = file.read_text()
    base = scores_of(pix2pix) | {"others": []}
    for end, best in (("higher", 3.0), ("lower", 1.0), (None, None)):
        members = []
        for value in (1.0, 3.0):
            better = {"better": {"nobodys_score": end}} if end else {"better": {}}
            file.write_text(json.dumps(base | {"values": {"nobodys_score": value}} | better))
            record = read_run(pix2pix)
            members.append((record, record.scores[0]))
        table = score_table(members, Rows([members[0][0]], {}), members[0][1]["protocol"])
        cells = [row["cells"][0] for row in table["rows"]]
        assert [cell["value"] for cell in cells if cell["best"]] == ([] if best is None else [best])
    # Ends that are none make the file no file of scores.
    file.write_text(json.dumps(base | {"better": {"psnr": "sideways"}}))
    assert read_run(pix2pix).problems
    file.write_text(before)


def test_a_saved_run_names_no_score_that_is_not_trusted(
    pix2pix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = pix2pix / "config.yaml"
    before = file.read_text()
    for poison in ({"scores": ["fid", {"_target_": "os.getcwd"}]}, {"extractor": {"_target_": "os.getcwd"}}):
        config = yaml.safe_load(before)
        config["metrics"] |= poison
        file.write_text(yaml.safe_dump(config))
        assert main(["evaluate", f"run={pix2pix}", "device=cpu"]) == 2
        assert "'os.getcwd' is not trusted" in capsys.readouterr().err
    file.write_text(before)
    for words, message in (
        (["metrics.scores=[fid,{_target_: os.getcwd}]"], "'os.getcwd' is not trusted"),
        (["metrics.scores=[fid,7]"], "there is no score 7"),
        (["metrics.scores=[fid,{a: 1}]"], "there is no score"),
        (["metrics.extractor=digit"], "did you mean digits"),
        (["metrics.scores=[lpips]"], "is not there: put the published weights of AlexNet"),
    ):
        assert main(["evaluate", f"run={pix2pix}", "device=cpu", *words]) == 2
        assert message in capsys.readouterr().err


def test_no_scores_but_the_likelihood_are_to_be_computed(
    pix2pix: Path, vae: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", f"run={pix2pix}", "device=cpu", "metrics=none"]) == 2
    assert "metrics=none leaves nothing to do" in capsys.readouterr().err
    assert main(["evaluate", f"run={pix2pix}", "device=cpu", "metrics=none", "likelihood=5"]) == 2
    assert "likelihood= is for methods that have a likelihood" in capsys.readouterr().err
    words = ["device=cpu", "metrics=none", "likelihood=5", f"out={tmp_path / 'out.json'}"]
    assert main(["evaluate", f"run={vae}", *words]) == 0
    assert set(json.loads((tmp_path / "out.json").read_text())["values"]) == {"bits_per_dim", "bits_per_dim_std"}
