"""A run on Weights & Biases: one run however often it is stopped, requeued and resumed, with each step once."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from genbench.errors import UserError, first_line
from genbench.files import written_whole
from genbench.logs.vocabulary import AXES, SECTIONS
from genbench.score_names import better

_MARK = "logged_step"


class WandbRun(Logger):
    """Send figures, pictures and facts to Weights & Biases, or keep them in the run folder for `wandb sync`.

    A row holds all figures of a step, with `step`, `images` and `seconds` as axes, and is sent after the step. The last
    step sent is stored in `wandb/logged_step` of the run folder: a run resumed from an older checkpoint repeats steps,
    which are not sent again. (Lightning's WandbLogger begins another run, lightning #13524, and W&B drops or duplicates
    repeated steps, wandb #4482 and #2971.)

    Args:
        save_dir: the run folder.
        id: of the run, the same for all its sessions.
        project: on W&B.
        entity: user or team; by default the user's own.
        name: of the run on W&B.
        offline: whether nothing is sent; no API key is needed then.
        artifacts: whether the last checkpoint, the scores and the last grid are uploaded at the end.
    """

    def __init__(
        self,
        save_dir: str,
        id: str,
        project: str,
        entity: str | None = None,
        name: str | None = None,
        offline: bool = False,
        artifacts: bool = False,
    ) -> None:
        super().__init__()
        self.folder = Path(save_dir)
        self.artifacts = artifacts
        self._settings: dict[str, Any] = {
            "id": id, "project": project, "entity": entity, "name": name, "mode": "offline" if offline else "online",
        }  # fmt: skip
        self._run: Any = None
        self._row: dict[str, Any] = {}
        self._step: int | None = None
        self._sent: int | None = None

    @property
    def name(self) -> str:
        """The project."""
        return str(self._settings["project"])

    @property
    def version(self) -> str:
        """The run's id."""
        return str(self._settings["id"])

    @rank_zero_only
    def begin(self, config: Mapping[str, Any], group: str, tags: list[str]) -> None:
        """Open or reopen the run on W&B.

        Args:
            config: everything that defines it: configuration, code revision, versions, machine.
            group: method and data set.
            tags: for searching.

        Raises:
            UserError: W&B can't be reached, or has no API key.
        """
        import wandb  # takes a second, which runs without W&B save

        (self.folder / "wandb").mkdir(parents=True, exist_ok=True)
        # Offline it would warn that it can't ask the server whether the run exists.
        quiet = wandb.Settings(silent=True) if self._settings["mode"] == "offline" else None
        try:
            self._run = wandb.init(
                **self._settings,
                dir=str(self.folder),
                config=dict(config),
                group=group,
                tags=tags,
                resume="allow",
                # A sweep trains several runs in one process.
                reinit="finish_previous",
                allow_val_change=True,
                settings=quiet,
            )
        except wandb.Error as error:
            raise UserError(
                f"logger=wandb: {first_line(error)}; log in by `wandb login`, or use logger=wandb_offline and "
                "`wandb sync` later"
            ) from error
        for axis in AXES:
            self._run.define_metric(axis, hidden=True)
        for section in SECTIONS:
            self._run.define_metric(f"{section}/*", step_metric="step")

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add figures to the row of a step."""
        self._add(metrics, step)

    @rank_zero_only
    def log_picture(self, key: str, file: Path, step: int) -> None:
        """Add a picture to the row of a step."""
        import wandb

        if self._is_new(step):
            self._add({key: wandb.Image(str(file))}, step)

    @rank_zero_only
    def summarize(self, figures: Mapping[str, float]) -> None:
        """Set figures of the whole run."""
        if self._run is not None:
            self._run.summary.update(dict(figures))

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The configuration is sent by `begin`; there is nothing to add."""

    @rank_zero_only
    def write(self) -> None:
        """Send the row of the last step."""
        if self._run is None or self._step is None:
            return
        for key in self._row:
            if key.startswith("score/") and (goal := better(key.removeprefix("score/"))):
                self._run.define_metric(key, step_metric="step", summary=f"{goal},last")
        self._run.log({"step": self._step} | self._row, step=self._step, commit=True)
        with written_whole(self.folder / "wandb" / _MARK) as beside:
            beside.write_text(str(self._step))
        self._row, self._step = {}, None

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Send the remaining row."""
        self.write()

    @rank_zero_only
    def end(self, outcome: Literal["finished", "stopped", "failed"], keep: Mapping[str, list[Path]]) -> None:
        """Close the run on W&B.

        Args:
            outcome: how the training ended; a stopped one will be resumed.
            keep: files to upload if `artifacts`, by the artifact's type.
        """
        import wandb

        if self._run is None:
            return
        self.write()
        if outcome == "stopped":
            self._run.mark_preempting()
        if self.artifacts and outcome == "finished":
            for kind, files in keep.items():
                artifact = wandb.Artifact(f"{self.version}-{kind}", type=kind)
                for file in files:
                    artifact.add_file(str(file))
                self._run.log_artifact(artifact)
        self._run.finish(exit_code=0 if outcome == "finished" else 1)
        self._run = None

    def _add(self, figures: Mapping[str, Any], step: int | None) -> None:
        if step is None:
            raise ValueError("a row on W&B needs its step")
        if not self._is_new(step):
            return
        if step != self._step:
            self.write()
        self._step = step
        self._row |= figures

    def _is_new(self, step: int) -> bool:
        """Return whether a step was not sent by an earlier session."""
        if self._sent is None:
            mark = self.folder / "wandb" / _MARK
            self._sent = int(mark.read_text()) if mark.is_file() else 0
        return step > self._sent
