"""`pattern` of a JSON Schema under a time limit, and references that leave the schema refused.

A pattern that backtracks would block whoever reads answers: 26 characters took 9 s. A reference to another address would be
fetched by whoever validates.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import regex
from jsonschema.validators import extend
from referencing import Registry

from schemas.errors import ConfigurationError

SECONDS = 0.05  # for one value; an honest pattern takes microseconds
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_MOST_DEPTH = 200  # of nested schemas: validation recurses
_slow: set[str] = set()  # patterns that ran out of time once are not tried again


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    del validator, schema  # of jsonschema's interface
    if not isinstance(instance, str):
        return
    fits = _fits(pattern, instance)
    if fits is None:
        yield jsonschema.ValidationError(
            f"not compared with the pattern {pattern!r}, which takes too long: write it without repeats within repeats"
        )
    elif not fits:
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _fits(pattern: str, text: str) -> bool | None:
    """True where the pattern is found in `text`; None for one that took too long, now or before."""
    if pattern in _slow:
        return None
    try:
        return regex.search(pattern, text, timeout=SECONDS) is not None
    except TimeoutError:
        _slow.add(pattern)
        return None


_Validator: Any = extend(jsonschema.Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


def validator_of(schema: Mapping[str, Any]) -> Any:
    """A validator of draft 2020-12 that fetches nothing and whose patterns end."""
    return _Validator(schema, registry=Registry())


def require_closed(schema: Any) -> None:
    """Raises ConfigurationError for references out of the schema, patterns that are none, and schemas nested too deeply."""
    waiting: list[tuple[Any, str, int]] = [(schema, "", 0)]
    while waiting:
        node, at, depth = waiting.pop()
        if depth > _MOST_DEPTH:
            raise ConfigurationError(f"the schema nests more than {_MOST_DEPTH} levels; flatten it")
        if isinstance(node, str):
            _require_text(node, at)
        elif isinstance(node, Mapping):
            for key in _REFERENCES:
                target = node.get(key)
                if isinstance(target, str) and not target.startswith("#"):
                    raise ConfigurationError(
                        f"not a valid JSON Schema at {at or 'the root'}: {key} leads to {target[:100]}, and nothing is fetched; "
                        "copy it to $defs and write #/$defs/NAME"
                    )
            _require_pattern(node.get("pattern"), at)
            waiting += [(key, at, depth) for key in node]
            waiting += [(below, f"{at}/{key}", depth + 1) for key, below in node.items()]
        elif isinstance(node, list):
            waiting += [(below, f"{at}/{index}", depth + 1) for index, below in enumerate(node)]


def _require_text(text: str, at: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"not a valid JSON Schema at {at or 'the root'}: half of a character (a lone surrogate) in a text; write it whole"
        ) from None


def _require_pattern(pattern: Any, at: str) -> None:
    if isinstance(pattern, str):
        try:
            regex.compile(pattern)
        except regex.error as error:
            raise ConfigurationError(
                f"not a valid JSON Schema at {at or 'the root'}: pattern {pattern!r} cannot be read ({error}); mend it"
            ) from None
