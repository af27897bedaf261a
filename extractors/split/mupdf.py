"""PyMuPDF as an untyped library: it declares to be typed, yet hardly any of its functions is."""

from typing import Any, TypeAlias

import pymupdf as _pymupdf

pymupdf: Any = _pymupdf
mupdf: Any = _pymupdf.mupdf  # the C library itself, where PyMuPDF has no function of its own

MuDocument: TypeAlias = Any
MuPage: TypeAlias = Any
MuWidget: TypeAlias = Any
MuRect: TypeAlias = Any
MuPixmap: TypeAlias = Any
MuTextPage: TypeAlias = Any
MuDisplayList: TypeAlias = Any
