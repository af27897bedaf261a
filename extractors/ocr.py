"""The words of a page's picture and where they stand, by optical character recognition: the extra `pagemill[ocr]`.

RapidOCR lives here and nowhere else. Its models are files of its package; nothing is loaded from anywhere. What the model
that extracts is sent does not change: these words are a second reader's, by which values are found and lists are counted.
"""

import functools
import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from schemas.pipeline import Image, Page, Word

PACKAGE = "rapidocr"
_LEAST_SCORE = 0.5  # of a line: below it is guessed


def is_installed() -> bool:
    """True where the extra is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def reader_name() -> str:
    """Name and version of the reader: words of another one are not the same."""
    return f"{PACKAGE}-{version(PACKAGE)}"


def is_unread(page: Page) -> bool:
    """True for a page that is sent as a picture because its own text cannot be trusted, or because it has none."""
    return page.image is not None and (not page.words or page.sent_as == "image")


def words_of(image: Image) -> tuple[Word, ...]:
    """The words of a picture in reading order, line by line; their boxes are in pixels of the picture."""
    found = _reader()(image.data, return_word_box=True)
    lines = []
    for text, score, box, parts in zip(
        found.txts or (),
        found.scores or (),
        [] if found.boxes is None else found.boxes,
        found.word_results or (),
        strict=False,
    ):
        if score >= _LEAST_SCORE and text.strip():
            lines.append((_sides(box), list(_words(text, _sides(box), parts))))
    return tuple(word for line in _in_rows(lines) for word in line)


def placed(words: tuple[Word, ...], page: Page) -> Page:
    """The page with these words of its picture, in points."""
    image = page.image
    assert image is not None
    across, down = page.width / image.width, page.height / image.height
    scaled = tuple(Word(w.text, w.x0 * across, w.y0 * down, w.x1 * across, w.y1 * down) for w in words)
    return replace(page, words=scaled, is_scanned=True)


def _words(text: str, line: tuple[float, float, float, float], parts: Any) -> Iterator[Word]:
    """The words of a line. A word's box is as high as its line: single letters would tear rows apart."""
    boxes = [(str(part[0]), _sides(part[2])) for part in parts or ()]
    if "".join(word for word, _ in boxes) != "".join(text.split()):
        yield Word(text, *line)
        return
    for word in text.split():  # what the reader calls a word may be a letter, or end at a comma
        pieces, text_ = [], ""
        while boxes and len(text_) < len(word):
            piece, box = boxes.pop(0)
            text_ += piece
            pieces.append(box)
        yield Word(word, min(box[0] for box in pieces), line[1], max(box[2] for box in pieces), line[3])


def _sides(corners: Any) -> tuple[float, float, float, float]:
    xs, ys = [float(corner[0]) for corner in corners], [float(corner[1]) for corner in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _in_rows(lines: list[tuple[tuple[float, float, float, float], list[Word]]]) -> Iterator[list[Word]]:
    """Pieces of text by rows from top to bottom, each row from left to right: the pieces of one row come apart when read."""
    rows: list[list[tuple[tuple[float, float, float, float], list[Word]]]] = []
    for box, words in sorted(lines, key=lambda line: (line[0][1] + line[0][3]) / 2):
        middle = (box[1] + box[3]) / 2
        if rows and rows[-1][0][0][1] <= middle <= rows[-1][0][0][3]:
            rows[-1].append((box, words))
        else:
            rows.append([(box, words)])
    for row in rows:
        for _, words in sorted(row, key=lambda line: line[0][0]):
            yield words


@functools.cache
def _reader() -> Any:
    """One reader a process, on one thread: pages are read side by side in processes."""
    from rapidocr import RapidOCR

    one = {"intra_op_num_threads": 1, "inter_op_num_threads": 1}
    options = {f"EngineConfig.onnxruntime.{name}": count for name, count in one.items()}
    return RapidOCR(params={"Global.log_level": "critical", **options})
