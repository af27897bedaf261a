"""Draws rooms.svg: the rooms on their floors, each with the first line of its map.

The floors are the layers in pyproject.toml, the lines the docstrings of the packages: nothing is written twice. Run it after a
room has changed: python docs/pictures/draw_rooms.py
"""

import ast
import sys
import textwrap
import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[2]
WIDTH, MARGIN, GAP = 1200, 20, 10
LINE, PADDING = 17, 10
COLOURS = {"flows": "#dbe9f6", "extractors": "#e3f2dd", "schemas": "#fbeecb"}
TITLES = {
    "flows": "flows/ — when and where: Prefect, processes, network, disk, terminal",
    "extractors": "extractors/ — how: pure functions, one room a step",
    "schemas": "schemas/ — what: document types, frozen data, tables, errors",
}


def floors() -> dict[str, list[list[str]]]:
    """The rooms of each part, floor by floor from the top, as the import contracts have them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = {
        contract["containers"][0]: [layer.split(" | ") for layer in contract["layers"]]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers" and contract.get("containers", [""])[0] in {"flows", "extractors"}
    }
    return {**found, "schemas": [["schemas"]]}


def purpose(part: str, room: str) -> str:
    """The first line of the map of a package, or of the docstring of a module."""
    folder = ROOT / part if part == room else ROOT / part / room
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n")[0].split(". ")[0].rstrip(".").replace("`", "")


def draw() -> str:
    """The picture."""
    shapes: list[str] = []
    top = MARGIN
    for part, rows in floors().items():
        shapes.append(_text(MARGIN, top + LINE, TITLES[part], size=17, weight="bold"))
        top += LINE + 14
        for rooms in rows:
            columns = min(len(rooms), 4)
            width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
            for first in range(0, len(rooms), columns):
                boxes = [(room, _lines(part, room, width)) for room in rooms[first : first + columns]]
                height = PADDING * 2 + LINE * (1 + max(len(lines) for _, lines in boxes))
                for number, (room, lines) in enumerate(boxes):
                    shapes += _box(MARGIN + number * (width + GAP), top, width, height, COLOURS[part], room, lines)
                top += height + GAP
        top += GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:g}" role="img" '
        'aria-label="The rooms of Pagemill, floor by floor: imports go down only" font-family="sans-serif">'
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{top:g}" fill="#ffffff"/>', *shapes, "</svg>", ""])


def _lines(part: str, room: str, width: float) -> list[str]:
    return textwrap.wrap(purpose(part, room), int((width - 2 * PADDING) / 7.2))


def _box(x: float, y: float, width: float, height: float, colour: str, name: str, lines: list[str]) -> list[str]:
    box = f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" fill="{colour}" stroke="#8a8a8a"/>'
    return [
        box,
        _text(x + PADDING, y + PADDING + 13, name, weight="bold"),
        *(
            _text(x + PADDING, y + PADDING + 13 + LINE * number, line, size=13)
            for number, line in enumerate(lines, start=1)
        ),
    ]


def _text(x: float, y: float, text: str, *, size: int = 14, weight: str = "normal") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" fill="#1c1c1c">{escape(text)}</text>'


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("rooms.svg")
    target.write_text(draw(), encoding="utf-8")
