"""Formats: recognised by the bytes of a document; the extension decides only between formats of plain text.

A new format is one opening function and one line in FORMATS.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import PurePath
from zipfile import BadZipFile, ZipFile

from extractors.split.mupdf import MuDocument, pymupdf
from schemas.errors import EncryptedDocumentError, UnreadableDocumentError, UnsupportedDocumentError

Opener = Callable[[bytes], MuDocument]


def open_document(data: bytes, file_name: str, passwords: tuple[str, ...]) -> tuple[MuDocument, str]:
    """The opened document and its format. Raises UnreadableDocumentError for bytes that cannot be opened."""
    extension = recognise(data, file_name)
    try:
        document = FORMATS[extension](data)
        needs_password = bool(document.needs_pass)
    except Exception as error:
        raise UnreadableDocumentError(
            f"{file_name}: looks like {extension} but cannot be opened ({error}); check that the file is complete"
        ) from error
    if needs_password and not any(document.authenticate(password) for password in ("", *passwords)):
        tried = "the passwords given do not open it" if passwords else "no password was given"
        raise EncryptedDocumentError(
            f"{file_name}: needs a password to open and {tried}; name a file with it, one password a line, in "
            "PAGEMILL_PASSWORDS_FILE, or remove the protection"
        )
    return document, extension.removeprefix(".")


def recognise(data: bytes, file_name: str) -> str:
    """The key of FORMATS for the bytes."""
    if not data:
        raise UnreadableDocumentError(f"{file_name}: empty file (0 bytes); deliver it again")
    extension = _by_magic(data) or _by_text(data, PurePath(file_name).suffix.lower())
    if extension is None:
        formats = " ".join(FORMATS)
        raise UnsupportedDocumentError(f"{file_name}: unknown format: expected one of {formats}; convert it to PDF")
    return extension


def _by_magic(data: bytes) -> str | None:
    for extension, magic in _MAGIC:
        if data.startswith(magic):
            return extension
    if data.startswith(b"PK\x03\x04"):
        return _by_members(data)
    # A header may be damaged or follow other bytes; objects and a trailer still make a PDF.
    if b"%PDF-" in data[:1024] or (b" 0 obj" in data[:2048] and b"trailer" in data[-4096:]):
        return ".pdf"
    return None


def _by_members(data: bytes) -> str | None:
    try:
        names = set(ZipFile(BytesIO(data)).namelist())
    except (BadZipFile, ValueError, NotImplementedError):
        return None
    if "META-INF/container.xml" in names:
        return ".epub"
    if any(name.endswith((".fdseq", ".fdoc")) for name in names):
        return ".xps"
    pictures = [name for name in names if name.lower().endswith((".png", ".jpg", ".jpeg", ".gif", ".bmp"))]
    return ".cbz" if pictures and len(pictures) > 0.5 * len(names) else None


def _by_text(data: bytes, extension: str) -> str | None:
    text = _decoded(data)
    if text is None:
        return None
    start = text[:2000].lstrip().lower()
    if "<fictionbook" in start:
        return ".fb2"
    if start.startswith(("<svg", "<?xml", "<!doctype svg")) and "<svg" in start:
        return ".svg"
    if start.startswith(("<!doctype html", "<html")):
        return ".html"
    return extension if extension in (".txt", ".md") else None


def _decoded(data: bytes) -> str | None:
    """The bytes as text, None for binary data."""
    encodings = ("utf-16",) if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text
    return None


def _mupdf(kind: str) -> Opener:
    return lambda data: pymupdf.open(stream=data, filetype=kind)


def _reflowed(kind: str) -> Opener:
    """Opener of a format without pages, which is laid out on A4."""

    def opened(data: bytes) -> MuDocument:
        document = pymupdf.open(stream=data, filetype=kind)
        document.layout(rect=pymupdf.Rect(0, 0, *_A4), fontsize=11)
        return document

    return opened


def _plain_text(data: bytes) -> MuDocument:
    """Text on A4, or on pages as wide as its longest line, so that lines are not broken."""
    text = (_decoded(data) or "").expandtabs()
    document = pymupdf.open(stream=text.encode(), filetype="txt")
    longest = max((len(line) for line in text.splitlines()), default=0)
    width = min(max(_A4[0], longest * _TEXT_SIZE * 0.61 + 4 * _TEXT_SIZE), _WIDEST)
    document.layout(rect=pymupdf.Rect(0, 0, width, _A4[1]), fontsize=_TEXT_SIZE)
    return document


_A4 = (595.0, 842.0)
_TEXT_SIZE = 10
_WIDEST = 4000.0  # points: longer lines are paragraphs, which may be broken

FORMATS: dict[str, Opener] = {
    ".pdf": _mupdf("pdf"),
    ".png": _mupdf("png"),
    ".jpg": _mupdf("jpg"),
    ".jpeg": _mupdf("jpg"),
    ".tif": _mupdf("tiff"),
    ".tiff": _mupdf("tiff"),
    ".bmp": _mupdf("bmp"),
    ".gif": _mupdf("gif"),
    ".jp2": _mupdf("jp2"),
    ".txt": _plain_text,
    ".md": _plain_text,
    ".html": _reflowed("html"),
    ".epub": _reflowed("epub"),
    ".fb2": _reflowed("fb2"),
    ".xps": _mupdf("xps"),
    ".svg": _mupdf("svg"),
    ".cbz": _mupdf("cbz"),
}

_MAGIC: tuple[tuple[str, bytes], ...] = (
    (".pdf", b"%PDF-"),
    (".png", b"\x89PNG\r\n\x1a\n"),
    (".jpg", b"\xff\xd8\xff"),
    (".tif", b"II*\0"),
    (".tif", b"MM\0*"),
    (".bmp", b"BM"),
    (".gif", b"GIF8"),
    (".jp2", b"\0\0\0\x0cjP  "),
)
