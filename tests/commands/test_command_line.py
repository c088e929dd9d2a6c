"""The command line in a fresh process: quick answers, clear refusals, several processes, the installed wheel."""

import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from genbench.__main__ import VERBS, main
from genbench.config import CONF, check, options
from genbench.config.comments import read_settings
from tests.conftest import NETWORKS, SMALL

CommandLine = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[2]

MISTAKES = [
    (["experiment=gan_digts"], "there is no experiment 'gan_digts'; did you mean gan_digits"),
    (["method=gna"], "there is no method 'gna'; did you mean gan"),
    (["data=minst"], "did you mean mnist"),
    (["netwrk=mlp"], "there is no key 'netwrk'; did you mean network"),
    (["method.latent_dimm=3"], "there is no key 'method.latent_dimm'; did you mean method.latent_dim"),
    (["stepz=3"], "did you mean steps"),
    (["trainer.devicez=2"], "did you mean trainer.devices"),
    (["+method.lattent_dim=3"], "has no setting 'lattent_dim'; did you mean latent_dim"),
    (["+trainer.max_tim=3"], "has no setting 'max_tim'; did you mean max_time"),
    (["+method.generator_optimizer.weight_decy=1"], "did you mean weight_decay"),
    (
        ["method.objective=nonsaturating"],
        "least_squares, hinge, not 'nonsaturating'",
    ),
    (["method.latent_dim=many"], "method.latent_dim must be a whole number, not 'many'"),
    (["method.latent_dim=1.5"], "must be a whole number"),
    (["method.ema_decay=true"], "must be a number, not True"),
    (["data.download=maybe"], "must be true or false"),
    (["network.generator.hidden=3", "network=mlp"], "must be a list"),
    (["steps=many"], "steps=many"),
    (["steps=0"], "steps must be at least 1"),
    (["seed=-1"], "seed must be at least 0"),
    (["seed=1,2"], "add -m"),
    (["-m", "seed=1,x"], "seed=x"),
    (["-m", "method.objective=minimax,wrong"], "'wrong'"),
    (["trian"], "there is no verb 'trian'; did you mean train"),
    (["train", "gan_digits"], "neither a verb nor key=value"),
    (["sample"], "sample needs run=..."),
    (["evaluate", "run=/nowhere"], "run=/nowhere is not a run folder"),
    (["train", "run=/nowhere"], "run=/nowhere is not a run folder"),
    (["sample", "run=/nowhere", "cout=3"], "did you mean count"),
    (["method={"], "key=value"),
    (["=5"], "'=5' has no key"),
    (["--foo"], "unrecognized arguments: --foo"),
    (["list", "seed=1"], "list takes no settings"),
    (["dashboard"], "dashboard needs entity=..."),
    # Numbers that are none, or out of range.
    (["seed=4294967296"], "seed must be at least 0 and at most 4294967295"),
    (["callbacks.grid.seed=99999999999999999999"], "callbacks.grid.seed must be at least 0 and at most"),
    (["sample", "run=/nowhere", "seed=4294967296"], "seed must be"),
    (["evaluate", "run=/nowhere", "seed=-1"], "seed must be"),
    (["method.generator_optimizer.lr=nan"], "method.generator_optimizer.lr must be a finite number, not nan"),
    (["method.generator_optimizer.lr=inf"], "must be a finite number"),
    (["method.generator_optimizer.lr=-1"], "method.generator_optimizer.lr must be more than 0, not -1"),
    (["method.generator_optimizer.betas=[0.5,1.5]"], "betas must be at least 0 and less than 1, not 1.5"),
    (["network.generator.width=0"], "network.generator.width must be at least 1, not 0"),
    (["network.generator.width=-8"], "network.generator.width must be at least 1"),
    (["network=mlp", "network.generator.hidden=[32,-1]"], "network.generator.hidden must be at least 1"),
    (["method=ddpm", "sampler.eta=2"], "sampler.eta must be at least 0 and at most 1, not 2"),
    (["sample", "run=/nowhere", "guidance=nan"], "guidance must be a finite number"),
    (["evaluate", "run=/nowhere", "count=-3"], "count must be at least 1, not -3"),
    # Bytes of the command line that are no UTF-8.
    (["sample", "run=/nowhere", "prompt=a \udce9 three"], r"the argument 'prompt=a \udce9 three' is no valid text"),
    (["\udce9"], "is no valid text"),
    # What would have no effect.
    (["+foo=1"], "there is no key 'foo'"),
    (["+callbacks.foo=1"], "callbacks.foo=1 has no effect"),
    (["+network.foo._target_=genbench.networks.mlp.MLPGenerator"], "builds no foo"),
    (["+method.condition=3", "+method.image_shape=[1,4,4]"], "follows from the data: leave it out"),
    (["+network.generator.image_shape=[1,4,4]"], "is given to the network by the method"),
    (["method=classifier_guidance", "+method.conditional=true"], "has no setting 'conditional'"),
    (["+logger.csv.save_dir=x"], "follows from the run folder"),
    (["callbacks.checkpoints.monitor=score/fidd"], "never comes in this run: choose one of score/fid"),
    (["callbacks.checkpoints.monitor=score/kid"], "never comes in this run"),
    (["metrics=none", "callbacks.checkpoints.monitor=score/is"], "metrics=none makes no scores"),
    (["metrics=full", "metrics.scores=[fid]", "metrics.kid_subsets=3"], "metrics.kid_subsets has no effect"),
    (["+metrics.weights=/x"], "metrics.weights has no effect with metrics.extractor=digits"),
    (["hydra.run.dir=/x"], "hydra.run.dir has no effect here"),
    (["hydra/launcher=slurm"], "hydra/launcher has an effect with -m alone"),
    (["-m", "hydra/launcher=nonsense", "seed=0,1"], "the sweep can't be launched"),
    (["trainer.gradient_clip_val=1"], "trainer.gradient_clip_val has no effect here: methods optimise by hand"),
    (["trainer.max_steps=5"], "steps=N says how long a run is"),
    (["trainer.logger=false"], "choose logger=csv"),
    (["name=../../x"], "name=../../x leads out of output="),
    (["name=/x"], "name=/x leads out of output="),
    (["name=."], "name=. leads out"),
    (["sweep=../y"], "sweep=../y leads out of output="),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_gets_one_message_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    arguments = ["data=mnist", *arguments] if "data.download=maybe" in arguments else arguments
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("genbench: ")
    assert len(said.strip().splitlines()) == 1
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["experiment=gan_digts"], ["method.latent_dim=x"]])
def test_answers_wait_for_no_large_library(arguments: list[str]) -> None:
    # A time would depend on the machine, and these libraries are what would take it.
    large = "torch", "torchvision", "lightning", "torchmetrics", "numpy", "PIL", "wandb", "transformers"
    program = f"import sys\nfrom genbench.__main__ import main\nmain({arguments})\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stderr.split()
    assert "genbench" in loaded
    assert not {*large} & {*loaded}


def test_list_names_everything_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    groups = (
        "experiment",
        "method",
        "data",
        "network",
        "sampler",
        "schedule",
        "editor",
        "metrics",
        "logger",
        "trainer",
    )
    for group in groups:
        for name in options(group):
            line = re.search(rf"^ *{group}={name} +(\S.*)$", listed, re.MULTILINE)
            assert line, name
            assert len(line[1]) > 10


@pytest.mark.parametrize("arguments", [["list"], ["--cfg"]])
def test_a_reader_who_has_enough_is_no_mistake(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "genbench", *arguments]
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"list"}))
def test_help_says_what_each_setting_of_a_verb_means(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    for setting in read_settings(CONF / f"{verb}.yaml").values():
        if "." not in setting.key and setting.key != "data":
            line = re.search(rf"^  {setting.key} +(\S+) +(\S.*)$", shown, re.MULTILINE)
            assert line, setting.key
            assert line[2] == setting.comment
            assert len(line[2]) > 10


def test_help_is_of_what_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "method=ddpm", "sampler=ddim", "sampler.steps=7", "--help"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^  sampler.steps +7 +network calls$", shown, re.MULTILINE)
    # What the file says nothing of, the class does.
    assert re.search(r"^  network.denoiser.dropout +0.0 +probability in the residual blocks$", shown, re.MULTILINE)
    assert re.search(r"^  or method=[^:]*\bgan\b", shown, re.MULTILINE)
    assert re.search(r"^  trainer.precision .*one of .*bf16-mixed", shown, re.MULTILINE)
    assert main(["train", "method=dpm", "--help"]) == 2


def test_every_experiment_composes_and_fits_its_classes() -> None:
    for name in options("experiment"):
        assert check("train", [f"experiment={name}"]).name == name


def test_without_slurm_a_launcher_for_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["-m", "hydra/launcher=slurm", "seed=0,1"]) == 2
    assert "there is no sbatch on this machine" in capsys.readouterr().err


def test_a_sweep_over_odd_paths_and_methods_makes_each_run_where_it_belongs(tmp_path: Path) -> None:
    small = ["debug=true", "trainer.accelerator=cpu", "data.size=8", "steps=1", "callbacks.grid=null"]
    words = [*small, "callbacks.nearest=null", "method=gan,vae", f"output={tmp_path}/a\\,b =[c]", "sweep=s"]
    assert main(["-m", *words]) == 0
    folders = sorted((tmp_path / "a,b =[c]" / "s").iterdir())
    methods = [yaml.safe_load((folder / "config.yaml").read_text())["method"]["_target_"] for folder in folders]
    assert sorted(method.rpartition(".")[2] for method in methods) == ["GAN", "VAE"]
    assert [path.name for path in tmp_path.iterdir()] == ["a,b =[c]"]
    assert not list(Path.cwd().iterdir())


def test_the_last_line_of_a_sweep_file_is_run_without_a_line_break(tmp_path: Path) -> None:
    """The array's length as slurm/README.md has it, and the words of the last task as sweep.sbatch reads them."""
    sweep = tmp_path / "sweep.txt"
    sweep.write_bytes(b"seed=0 name='a b'\r\nseed=1 name='c d'")
    said = re.search(r'--array=1-"\$\((.*? )sweep.txt\)"', (ROOT / "slurm" / "README.md").read_text())
    assert said
    count = subprocess.run(["bash", "-c", f"{said[1]}{sweep}"], capture_output=True, text=True, check=True).stdout
    assert count.strip() == "2"
    (tmp_path / "srun").write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    for task, words in (("1", "<seed=0><name=a b>"), ("2", "<seed=1><name=c d>")):
        environment = os.environ | {"SLURM_ARRAY_TASK_ID": task, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        result = subprocess.run(
            ["bash", str(ROOT / "slurm" / "sweep.sbatch"), str(sweep)],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert f"<train>{words}<sweep=sweep>" in result.stdout


def test_an_unwritable_output_is_named(command_line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = command_line("steps=1", f"output={tmp_path / 'file'}")
    assert (result.returncode, "the run folder can't be made" in result.stderr) == (2, True)


def test_settings_that_a_class_refuses_come_without_a_traceback(command_line: CommandLine, tmp_path: Path) -> None:
    result = command_line("data.size=7", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.strip().endswith("data.size must be at least the digits' own 8 pixels, not 7")
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "outputs").exists()


def test_two_processes_train_one_run(command_line: CommandLine, tmp_path: Path) -> None:
    small = ["experiment=gan_digits", *NETWORKS["mlp"], *SMALL, "steps=12", "trainer.log_every_n_steps=4"]
    distributed = ["trainer=ddp", "trainer.devices=2", "callbacks.scores.every=6", "method.discriminator_steps=2"]
    result = command_line(*small, *distributed, f"output={tmp_path}", env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert result.returncode == 0, result.stderr
    # Where SLURM is installed Lightning advises to use it.
    assert "Warning" not in result.stderr
    assert "srun" not in result.stderr
    (folder,) = (tmp_path / "gan_digits").iterdir()
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 12
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["protocol"]["count"] == 64
    # One process scores the same weights alike.
    (folder / "scores.json").unlink()
    assert command_line("evaluate", f"run={folder}", "device=cpu").returncode == 0
    alone = json.loads((folder / "scores.json").read_text())
    assert alone["values"] == pytest.approx(scores["values"], rel=1e-6)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Installed into a fresh environment, which borrows only the dependencies of this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=120)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel], check=True, timeout=120
    )
    # A plain path in a .pth file: editable installs that lie there are not followed.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    work = tmp_path / "work"
    work.mkdir()
    # Who runs the tests by another checkout's sources would have those imported.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [python, "-m", "genbench", *arguments]
        return subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    where = subprocess.run(
        [python, "-c", "import genbench.config as c; print(c.CONF)"],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert where.stdout.strip() == str(site / "genbench" / "conf")
    shipped = {path.relative_to(CONF) for path in CONF.rglob("*.yaml")}
    assert {
        path.relative_to(site / "genbench" / "conf") for path in (site / "genbench" / "conf").rglob("*.yaml")
    } == shipped
    assert "gan_mnist" in run("list").stdout
    result = run("steps=2", *SMALL, "network=mlp")
    assert result.returncode == 0, result.stderr
    assert len(list((work / "outputs" / "gan_digits").iterdir())) == 1
