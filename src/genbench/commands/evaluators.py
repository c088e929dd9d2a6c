"""Build evaluators: what a configuration says, with an extractor of a run where it names one."""

from typing import Any

from genbench.abilities import EmbedsImages, EmbedsTexts
from genbench.commands.assembly import build
from genbench.commands.opening import open_part
from genbench.config import short_name
from genbench.errors import UserError
from genbench.metrics.clip import Clip
from genbench.metrics.embedder import Embedder
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.extractors import OF_RUN


def build_evaluator(node: Any, what: str, *, named: bool = False, **changed: Any) -> Evaluator:
    """Return the evaluator of a node of the configuration.

    Args:
        node: whose `extractor` may be `run:FOLDER`, a run that embeds images, and whose `clip` a run that also embeds
            texts.
        what: key of the node, for messages.
        named: whether somebody named its scores, rather than a file of `conf/`; a run as the extractor, which takes the
            place of the file's, may not suit all of those.
        changed: settings that take the place of the node's.

    Raises:
        UserError: a setting does not do, or the run embeds no images.
    """
    setting = node.get("extractor")
    if isinstance(setting, str) and setting.startswith(OF_RUN):
        if node.get("weights") is not None:
            raise UserError(f"{what}.weights has no effect: {what}.extractor={setting} has its own")
        part = open_part(f"{what}.extractor", setting.removeprefix(OF_RUN), EmbedsImages)
        changed["extractor"] = Embedder(part.model, short_name(part.settings.method), part.sha256)
    if node.get("clip") is not None:
        part = open_part(f"{what}.clip", str(node.clip), EmbedsTexts)
        changed["clip"] = Clip(part.model, part.folder.path.name, part.sha256)
    evaluator: Evaluator = build(node, what, **changed)
    if "extractor" in changed and not named:
        evaluator.scores.request_none()
    return evaluator
