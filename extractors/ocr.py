"""Words of a page's picture with their boxes, by optical character recognition: the extra `pagemill[ocr]`.

RapidOCR is imported only here. Its models are files of its package; nothing is downloaded. Requests to the model do not
change: the words of this second reader serve grounding and the counting of list rows.
"""

import functools
import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from schemas.step_data import Image, Page, Word

PACKAGE = "rapidocr"
_LEAST_SCORE = 0.5  # of a line, 0 to 1: text of a lower score is a guess


def is_installed() -> bool:
    """True where the extra is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


def reader_name() -> str:
    """Name and version of the reader; another version reads other words."""
    return f"{PACKAGE}-{version(PACKAGE)}"


def is_unread(page: Page) -> bool:
    """True for a page sent as a picture because its text is missing or cannot be trusted."""
    return page.image is not None and (not page.words or page.sent_as == "image")


def words_of(image: Image) -> tuple[Word, ...]:
    """The words of a picture in reading order, line by line, with boxes in pixels."""
    result = _reader()(image.data, return_word_box=True)
    lines = []
    for text, score, box, parts in zip(
        result.txts or (),
        result.scores or (),
        [] if result.boxes is None else result.boxes,
        result.word_results or (),
        strict=False,
    ):
        if score >= _LEAST_SCORE and text.strip():
            lines.append((_sides(box), list(_words(text, _sides(box), parts))))
    return tuple(word for line in _in_rows(lines) for word in line)


def placed(words: tuple[Word, ...], page: Page) -> Page:
    """The page with these words of its picture, boxes converted from pixels to points."""
    image = page.image
    assert image is not None
    across, down = page.width / image.width, page.height / image.height
    scaled = tuple(Word(w.text, w.x0 * across, w.y0 * down, w.x1 * across, w.y1 * down) for w in words)
    return replace(page, words=scaled, is_scanned=True)


def _words(text: str, line: tuple[float, float, float, float], parts: Any) -> Iterator[Word]:
    """The words of a line. A word's box is as high as its line, since boxes of single letters would break rows apart."""
    boxes = [(str(part[0]), _sides(part[2])) for part in parts or ()]
    if "".join(word for word, _ in boxes) != "".join(text.split()):
        yield Word(text, *line)
        return
    for word in text.split():  # the reader's parts may be letters, or end at a comma
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
    """Pieces of text by rows from top to bottom, each row from left to right: the reader yields one row in several pieces."""
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
    """One reader per process, on one thread: pages are read in parallel by processes."""
    from rapidocr import RapidOCR

    threads = {"intra_op_num_threads": 1, "inter_op_num_threads": 1}
    options = {f"EngineConfig.onnxruntime.{name}": count for name, count in threads.items()}
    return RapidOCR(params={"Global.log_level": "critical", **options})
