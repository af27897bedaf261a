"""PyMuPDF as an untyped library: it is marked as typed, but hardly any of its functions is."""

from typing import Any, TypeAlias

import pymupdf as _pymupdf

pymupdf: Any = _pymupdf
mupdf: Any = _pymupdf.mupdf  # the C library, for functions that PyMuPDF does not wrap

MuDocument: TypeAlias = Any
MuPage: TypeAlias = Any
MuWidget: TypeAlias = Any
MuRect: TypeAlias = Any
MuPixmap: TypeAlias = Any
MuTextPage: TypeAlias = Any
MuDisplayList: TypeAlias = Any
