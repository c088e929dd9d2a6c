"""`list`: what can be chosen, one line each, and what is set for this machine."""

from genbench.config.folder import describe, options
from genbench.config.site_settings import SITE_SETTINGS, VARIABLES, read_site, site_file
from genbench.signatures import first_line, modules_of

_GROUPS = {
    "experiments": "experiment",
    "methods": "method",
    "data sets": "data",
    "networks": "network",
    "samplers": "sampler",
    "learning-rate schedules": "schedule",
    "editors": "editor",
    "scores": "metrics",
    "loggers": "logger",
    "trainers": "trainer",
}
"""Groups by their headings."""

_ROOMS = {
    "metrics.scores": "genbench.metrics.scores",
    "metrics.extractor": "genbench.metrics.extractors",
    "source, of published weights": "genbench.published.sources",
}
"""Settings whose values are the files of a folder."""


def main() -> str:
    """Return the options of each group, a line each, and the settings of this machine.

    Raises:
        UserError: the file of this machine's settings can't be read.
    """
    lines = []
    for title, group in _GROUPS.items():
        names = options(group)
        width = max(map(len, names))
        lines += [f"{title}:", *(f"  {group}={name:{width}}  {describe(group, name)}".rstrip() for name in names), ""]
    for title, package in _ROOMS.items():
        names = modules_of(package)
        width = max(map(len, names))
        lines += [f"{title}:", *(f"  {name:{width}}  {first_line(f'{package}.{name}')}" for name in names), ""]
    return "\n".join([*lines, *_site()])


def _site() -> list[str]:
    """Return what is the same in every command here, and where it is set."""
    settings = read_site()
    variables = ", ".join(f"${name} ({key})" for name, key in VARIABLES.items())
    if not settings:
        return [
            f"nothing is set for this machine: {site_file()} may hold lines such as data.root: ~/data,",
            f"of {', '.join(SITE_SETTINGS)}; or set {variables}",
        ]
    width = max(len(setting.key) for setting in settings)
    lines = [f"  {setting.key:{width}}  {setting.value}  ({setting.source})" for setting in settings]
    return ["set for this machine, in every command that does not say otherwise:", *lines]
