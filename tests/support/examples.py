"""How many examples hypothesis takes: all that a test names with `--everything`, a share of them in `make test`."""

import hypothesis

FULL = 100  # what hypothesis takes where a test names no number, and what the profile `everything` has


def examples(count: int) -> int:
    """`count`, or the share of it that the profile has; the profile is loaded before tests are imported."""
    return max(1, count * hypothesis.settings.default.max_examples // FULL)
