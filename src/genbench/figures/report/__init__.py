"""The report: one self-contained static page, including pictures and the script of its charts.

    page.html   its structure
    style.css   its style
    page.js     sorting, filtering, charts, two runs side by side
    papers.yaml what papers report

Everything from run folders is treated as text and escaped.
"""

import base64
import io
import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageSequence

from genbench.errors import UserError, first_line
from genbench.figures.layout import GREY, MARGIN
from genbench.wording import duration

_HERE = Path(__file__).parent
_LONGEST_SIDE = 1400
_MOST_FRAMES = 100
_STRIP_HEIGHT, _STRIP_WIDTH = 68, 560
"""Largest size of a strip of samples in pixels; shown at half of it, it is sharp on a high-resolution screen."""


def render(content: dict[str, Any], charts: dict[str, Any]) -> str:
    """Return the page.

    Args:
        content: what `page.html` shows.
        charts: what `page.js` draws and compares.

    Raises:
        UserError: the libraries of the report are not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise UserError("the report takes jinja2 and plotly: pip install 'genbench[report]'") from error
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"figure": show_figure, "duration": show_duration}
    return environment.get_template("page.html").render(
        **content,
        style=(_HERE / "style.css").read_text(),
        script=(_HERE / "page.js").read_text(),
        plotly=get_plotlyjs(),
        data=_json_in_html(charts),
    )


def embed(picture: Path) -> dict[str, Any]:
    """Return a picture, which may be animated, as a `data:` URL with its width and height; a large one is downscaled.

    Raises:
        OSError: it is damaged.
    """
    try:
        with Image.open(picture) as opened:
            opened.load()
            frames = [_downscaled(frame) for frame in islice(ImageSequence.Iterator(opened), _MOST_FRAMES)]
            return _embedded(*frames, milliseconds=int(opened.info.get("duration", 0)))
    except (SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        # What Pillow raises of some damaged files, and of those that would take all memory.
        raise OSError(first_line(error)) from error


def _downscaled(image: Image.Image) -> Image.Image:
    image = image.convert("RGB") if image.mode not in ("L", "RGB") else image.copy()
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return image


def _embedded(image: Image.Image, *others: Image.Image, milliseconds: int = 0) -> dict[str, Any]:
    buffer = io.BytesIO()
    animated = {"save_all": True, "append_images": others, "duration": milliseconds, "loop": 0} if others else {}
    image.save(buffer, format="WEBP", quality=88, method=4, **animated)
    address = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return {"address": address, "width": image.width, "height": image.height}


def strip(picture: Path) -> dict[str, Any]:
    """Return the first row of a grid of samples as `embed` returns a picture.

    Args:
        picture: a file from `make_grid`, of images of any size.

    Raises:
        OSError: it is damaged.
    """
    with Image.open(picture) as opened:
        opened.load()
        image = opened.convert("RGB")
    image = image.crop((0, 0, image.width, _end_of_first_row(image)))
    image.thumbnail((max(_STRIP_WIDTH, image.width), _STRIP_HEIGHT))
    image = image.crop((0, 0, min(image.width, _STRIP_WIDTH), image.height))
    return _embedded(image)


def _end_of_first_row(image: Image.Image) -> int:
    """Return the height of the first row of a grid with its margins; the full height if it has no margins."""
    between = (np.asarray(image) == GREY).all(axis=(1, 2)).nonzero()[0]
    after = between[between > MARGIN]
    return int(after[0]) + MARGIN if len(after) else image.height


def show_figure(value: float | None) -> str:
    """Return a number formatted for tables: four significant digits."""
    return "" if value is None else f"{value:.4g}"


def show_duration(seconds: float | None) -> str:
    """Return a duration formatted for tables."""
    return "" if seconds is None else duration(seconds)


def _json_in_html(content: Any) -> str:
    """Return JSON that is safe inside a script element: nothing in it can end the element."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
