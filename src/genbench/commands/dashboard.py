"""`dashboard`: a workspace on Weights & Biases that shows what every run logs, from the same vocabulary."""

import json
from pathlib import Path
from typing import Any

import wandb
from omegaconf import DictConfig

from genbench.errors import UserError, first_line
from genbench.files import check_can_write, write_json
from genbench.logs.vocabulary import AXES, SECTIONS
from genbench.score_names import in_order, ranked

_INSTEAD = "dashboard.json"
_EXTRACTORS = ("", "_digits")


def main(config: DictConfig) -> None:
    """Make the workspace on W&B, or write it to a file: where `out` says, and where W&B can't be reached.

    Raises:
        UserError: the library is not installed, or the file can't be written.
    """
    if config.out is not None:
        check_can_write(Path(config.out).parent, "out")
    workspace = build_workspace(config.entity, config.project)
    if config.out is None:
        reason = _save(workspace)
        if reason is None:
            print(f"workspace: {workspace.url}")
            return
        print(f"W&B can't be reached ({reason}): the workspace is written to a file instead")
    file = Path(config.out or _INSTEAD)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(json.loads(workspace._to_model().model_dump_json(by_alias=True, exclude_none=True)), file)
    except OSError as error:
        raise UserError(f"out={file} can't be written: {error.strerror}") from error
    print(f"workspace: {file}")


def build_workspace(entity: str, project: str) -> Any:
    """Return the workspace, of which W&B knows nothing yet.

    Raises:
        UserError: wandb-workspaces is not installed.
    """
    try:
        import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise UserError("the dashboard takes wandb-workspaces: pip install 'genbench[dashboard]'") from error
    from wandb_workspaces.reports.v2 import BarPlot, LinePlot, MediaBrowser, RunComparer, ScatterPlot, SummaryMetric

    def scores(name: str) -> list[Any]:
        return [f"score/{name}{extractor}" for extractor in _EXTRACTORS]

    def over(axis: str, name: str) -> Any:
        return LinePlot(title=f"{name} over {axis}", x=axis, y=scores(name), title_x=axis)

    def trilemma(extractor: str) -> Any:
        return ScatterPlot(
            title=f"quality, diversity (colour), speed{extractor.replace('_', ', ')}",
            x=SummaryMetric("speed/seconds_per_sample"), log_x=True,
            y=SummaryMetric(f"score/fid{extractor}"), log_y=True,
            z=SummaryMetric(f"score/recall{extractor}"),
        )  # fmt: skip

    leaderboard: list[Any] = [
        BarPlot(title=f"best fid{e}", metrics=[SummaryMetric(f"best/fid{e}")]) for e in _EXTRACTORS
    ]
    sections: dict[str, list[Any]] = {
        "leaderboard": [*leaderboard, RunComparer(diff_only=True)],
        "trilemma": [trilemma(extractor) for extractor in _EXTRACTORS],
        "score": [
            *(over(axis, "fid") for axis in AXES),
            *(over("images", name) for name in in_order(ranked()) if name != "fid"),
        ],
        "samples": [
            MediaBrowser(title=name, media_keys=[f"samples/{name}"], mode="gallery", gallery_axis="step")
            for name in ("grid", "interpolation", "nearest")
        ],
    }
    for name in SECTIONS:
        if name not in sections:
            sections[name] = [
                LinePlot(title=f"{name} over {axis}", x=axis, metric_regex=f"^{name}/", title_x=axis)
                for axis in ("step", "images")
            ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name="GenBench",
        sections=[
            ws.Section(name=name, panels=panels, is_open=name in ("leaderboard", "score", "samples"))
            for name, panels in sections.items()
        ],
        settings=ws.WorkspaceSettings(x_axis="step"),
        runset_settings=ws.RunsetSettings(order=[ws.Ordering(ws.Summary("best/fid"), ascending=True)]),
    )


def _save(workspace: Any) -> str | None:
    """Save a workspace and return None, or why it can't be."""
    try:
        # Else it would ask for a key.
        if not wandb.login(prompt=False):
            return "no key: `wandb login`"
        workspace.save()
    except Exception as error:  # whatever its client or the network raise
        return first_line(error)
    return None
