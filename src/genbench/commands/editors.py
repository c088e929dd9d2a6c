"""Build editors: what is done with a run, by the class that the configuration names."""

from collections.abc import Mapping
from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig

from genbench.abilities import in_words
from genbench.commands.assembly import build
from genbench.commands.opening import OpenRun
from genbench.config import short_name
from genbench.editing.base import Editor, ability_of
from genbench.errors import UserError, first_line


def editor_class(node: DictConfig) -> type[Editor]:
    """Return the class of an editor's node.

    Raises:
        UserError: it can't be had, is no editor, or does not say what its method must be able to do.
    """
    try:
        kind = get_class(node["_target_"])
    except Exception as error:  # whatever somebody's module raises when it is imported
        raise UserError(f"editor: {first_line(error)}") from error
    if not issubclass(kind, Editor):
        raise UserError(f"editor: {node['_target_']} is no genbench.editing.base.Editor")
    try:
        ability_of(kind)
    except (ValueError, NameError) as error:
        raise UserError(f"editor: {error}") from error
    return kind


def build_editor(run: OpenRun, node: DictConfig, given: Mapping[str, Any]) -> Editor:
    """Return an editor that works with a run's method.

    Args:
        run: whose method it is given.
        node: of the configuration, with its settings.
        given: further arguments, objects, by their names.

    Raises:
        UserError: the method has not got the ability, or the class refused its settings.
    """
    ability = ability_of(editor_class(node))
    if not isinstance(run.method, ability):
        raise UserError(
            f"editor={short_name(node)} does not go with the {short_name(run.settings.method)} of {run.folder.path}, "
            f"which lacks {in_words(ability)}"
        )
    # Given to Hydra, the method would be copied with all its weights.
    make = build({**node, "_partial_": True}, "editor")
    try:
        editor: Editor = make(method=run.method, **given)
    except (ValueError, TypeError) as error:
        raise UserError(f"editor={short_name(node)}: {first_line(error)}") from error
    return editor
