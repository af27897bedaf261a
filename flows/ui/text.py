"""Short texts for people: amounts, durations, plurals, clipped values."""


def dollars(amount: float | None) -> str:
    """An amount in USD with four decimals, or `unknown`."""
    return "unknown" if amount is None else f"${amount:.4f}"
