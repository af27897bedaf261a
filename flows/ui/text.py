"""Short texts for people: amounts, durations, plurals, clipped values."""


def dollars(amount: float | None) -> str:
    """An amount in USD with four decimals; `unknown` for None."""
    return "unknown" if amount is None else f"${amount:.4f}"


def duration(seconds: float) -> str:
    """A duration in words: seconds below two minutes, minutes below two hours, else hours and minutes."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def count_documents(count: int) -> str:
    """A count with its noun: `1 document`, `2,000 documents`."""
    return f"{count:,} document{'' if count == 1 else 's'}"


def plain(text: str) -> str:
    """Text written by others, for a terminal: U+FFFD for each character that is not printable."""
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in text)


def clip(text: str, width: int) -> str:
    """Text of at most `width` characters; a longer one ends in an ellipsis."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def one_line(value: str | None, width: int) -> str:
    """A value on one line of at most `width` characters; `null` for None, as in the tables."""
    return "null" if value is None else clip(" ".join(value.split()), width)
