"""What the bytes are decides how they are opened; the extension only hints where bytes cannot tell.

A new format is one opening function and one line in FORMATS.
"""

from collections.abc import Callable
from pathlib import PurePath

import pymupdf

from schemas.errors import EncryptedDocumentError, UnreadableDocumentError, UnsupportedDocumentError

Opener = Callable[[bytes], "pymupdf.Document"]


def open_document(data: bytes, file_name: str, passwords: tuple[str, ...]) -> tuple["pymupdf.Document", str]:
    """The opened document and its format, or the error that says why there is none."""
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
        raise EncryptedDocumentError(f"{file_name}: needs a password to open and {tried}; pass the right one or remove the protection")
    return document, extension.removeprefix(".")


def recognise(data: bytes, file_name: str) -> str:
    """The key of FORMATS that fits the bytes."""
    for extension, magic in _MAGIC:
        if data.startswith(magic):
            return extension
    if b"%PDF-" in data[:1024]:
        return ".pdf"
    suffix = PurePath(file_name).suffix.lower()
    if suffix in _BY_NAME and _is_text(data):
        return suffix
    if not data:
        raise UnreadableDocumentError(f"{file_name}: is empty (0 bytes); deliver the file again")
    known = " ".join(FORMATS)
    raise UnsupportedDocumentError(f"{file_name}: its bytes are of no format that is read here ({known}); convert it to PDF")


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return "\0" not in text


def _mupdf(kind: str) -> Opener:
    return lambda data: pymupdf.open(stream=data, filetype=kind)


FORMATS: dict[str, Opener] = {
    ".pdf": _mupdf("pdf"),
    ".png": _mupdf("png"),
    ".jpg": _mupdf("jpg"),
    ".jpeg": _mupdf("jpg"),
    ".tif": _mupdf("tiff"),
    ".tiff": _mupdf("tiff"),
    ".txt": _mupdf("txt"),
    ".md": _mupdf("txt"),
}

_MAGIC: tuple[tuple[str, bytes], ...] = (
    (".pdf", b"%PDF-"),
    (".png", b"\x89PNG\r\n\x1a\n"),
    (".jpg", b"\xff\xd8\xff"),
    (".tif", b"II*\0"),
    (".tif", b"MM\0*"),
)
_BY_NAME = (".txt", ".md")
