"""`prepare`: decode, crop and resize a data set once."""

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from genbench.commands.assembly import build_data
from genbench.data.description import summary
from genbench.data.prepare_progress import human_bytes
from genbench.data.prepared import PreparedData
from genbench.data.shards import read_manifest
from genbench.errors import UserError
from genbench.wording import shown


def main(config: DictConfig) -> None:
    """Prepare the splits of a data set, or say that there is nothing to prepare.

    Raises:
        UserError: the data are missing or damaged, or the disk is too small.
    """
    data = build_data(config)
    if config.split is not None and config.split not in data.splits:
        raise UserError(f"{data.name} has no {config.split} split, only {', '.join(data.splits)}")
    # What is small is read for it, so that damaged files are found here too.
    print("\n".join(summary(data.describe())), flush=True)
    if not isinstance(data, PreparedData):
        print(f"{data.name} is read as it is: nothing to prepare")
        return
    table = Table(title=f"{data.name}, {_describe(data)}", title_justify="left")
    for heading in ("part", "images", "left out", "bytes", "seconds"):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    folders = []
    for split in data.splits if config.split is None else (config.split,):
        for folder in data.prepare(split):
            manifest = read_manifest(folder)
            table.add_row(
                manifest["split"],
                f"{manifest['count']:,}",
                f"{len(manifest['skipped']):,}",
                human_bytes(sum(file.stat().st_size for file in folder.iterdir())),
                f"{manifest['seconds']:.1f}",
            )
            folders.append(f"{manifest['split']}: {shown(folder)}")
    Console().print(table)
    print("\n".join(folders))


def _describe(data: PreparedData) -> str:
    recipe = data.preparation.describe()
    return f"{recipe['size']} x {recipe['size']}, crop {recipe['crop']}, filter {recipe['filter']}"
