"""The page: template, script, style and data, each escaped for its context.

Texts of documents, file names, notes and models are data only: they reach the page as JSON, and the script sets them as text.
"""

import base64
import functools
import hashlib
import json
from importlib.resources import files
from typing import Any

from flows.ui.html import Markup, colours, render

# In the order of their dependencies.
_SCRIPTS = ("dom.js", "source.js", "list.js", "sheet.js", "edit.js", "record.js", "keys.js", "start.js")
_FOR_JSON = str.maketrans({entry: f"\\u{ord(entry):04x}" for entry in "<>&\u2028\u2029"})


@functools.cache
def script() -> str:
    """The script as one text, without global names."""
    parts = [_static(name) for name in _SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n"


@functools.cache
def style() -> str:
    """The style sheet, with the colours that all pages share."""
    return f"{colours()}\n{_static('review.css')}"


def served_page(data: Any) -> str:
    """The page for a server, which serves script and style separately."""
    return render("review.html", data=_as_json(data), alone=False)


def standing_page(data: Any) -> str:
    """The page as one file with script and style, which its policy allows by their hashes."""
    inside = {"script": script(), "style": style()}
    hashes = {name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for name, text in inside.items()}
    texts = {name: Markup(text) for name, text in inside.items()}
    return render("review.html", data=_as_json(data), alone=True, hashes=hashes, **texts)


def _as_json(data: Any) -> Markup:
    """JSON in which no text can end the script element or its line."""
    return Markup(json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_FOR_JSON))


def _static(name: str) -> str:
    return files("flows.review").joinpath("static", name).read_text(encoding="utf-8")
