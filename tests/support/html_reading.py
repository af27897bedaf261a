"""An HTML page as a browser takes it, and whether anything on it could act or load."""

from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "input", "base"}
FORBIDDEN = {"script", "img", "iframe", "object", "embed", "link", "base", "form", "animate", "set", "foreignobject"}


class Reading(HTMLParser):
    """A page as a browser takes it: elements with their attributes, and the text inside of `.sent`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.sent: list[str] = []
        self._open: list[str] = []
        self._inside = 0
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag in VOID:
            return
        self._open.append(tag)
        if dict(attributes).get("class") == "sent":
            self.sent.append("")
            self._inside = len(self._open)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if len(self._open) < self._inside:
            self._inside = 0

    def handle_data(self, data: str) -> None:
        if self._inside and self._open[-1] == "span":
            self.sent[-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def check_harmless(html: str) -> Reading:
    """Nothing is loaded, nothing runs: every reference stays within the page or is a picture's data."""
    reading = Reading(html)
    for tag, attributes in reading.elements:
        assert tag not in FORBIDDEN
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert str(attributes.get(name, "#")).startswith(("#", "data:image/jpeg;base64,", "data:image/png;base64,"))
        assert "url(" not in (attributes.get("style") or "")
    assert "@import" not in html
    assert "url(" not in html.partition("<style>")[2].partition("</style>")[0]
    return reading
