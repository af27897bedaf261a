"""`pagemill check`: test of the endpoint with one small call: key, model, window, price, pictures, enforced schema."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from extractors.tokens import count_image, count_messages
from flows.model.budget import Spending
from flows.model.connect import model_address
from flows.model.endpoint import Endpoint
from flows.model.model_list import NO_LIST, ListedModel, list_models
from flows.model.network import tls_of
from flows.model.prices import Prices
from flows.model.wire import DIALECTS, Refusal
from flows.settings import Settings, require_model
from schemas.document_type import conforms
from schemas.models import OFFLINE
from schemas.step_data import Completion, Request

MOST_NUSD = 10_000_000  # nano-USD that the call may cost, one cent
_ANSWER_TOKENS = 40
_RED_SIDE = 28  # pixels
_RED = (  # a red square as PNG
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAIAAAD9b0jDAAAAI0lEQVR42u3MsQ0AAAjAoP7/tD7hJgkzTZ1LKpVKpVKp9Ee6DsoNHtgm0ZUAAAAASUVORK5CYII="
)
_SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "green", "blue", "none"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
_ASK = "Which colour has the picture? Answer with one plain word and nothing else: no JSON, no braces."

Status = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One line of the check; `remedy` is the advice where it is not ok."""

    name: str
    status: Status
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """Result of the check. `is_refused` is true where the endpoint refuses the key, the account or the model."""

    findings: tuple[CheckFinding, ...]
    cost_usd: float | None
    is_refused: bool

    @property
    def is_ok(self) -> bool:
        """True when no finding prevents a run."""
        return all(finding.status != "fault" for finding in self.findings)


def check(settings: Settings) -> Checked:
    """Test the configured endpoint. Raises ConfigurationError where there is no key for it."""
    require_model(settings)
    with model_address(settings) as (base_url, api_key):
        return asyncio.run(_checked(settings, base_url, api_key))


def check_lines(checked: Checked) -> list[str]:
    """The findings as lines for people, each with its remedy."""
    signs = {"ok": "ok     ", "warning": "warning", "fault": "FAULT  "}
    lines = [
        f"{signs[finding.status]}  {finding.name:<8} {finding.text}" + (f": {finding.remedy}" if finding.remedy else "")
        for finding in checked.findings
    ]
    cost = "unknown" if checked.cost_usd is None else f"${checked.cost_usd:.6f}"
    return [*lines, f"this check cost {cost}"]


async def _checked(settings: Settings, base_url: str, api_key: str | None) -> Checked:
    spending = Spending()
    endpoint = Endpoint(settings, base_url, api_key, spending)
    findings = [
        CheckFinding("key", "ok", "set" if settings.key else f"none; {settings.endpoint_name} is not known to need one")
    ]
    if settings.model == OFFLINE:
        findings = [CheckFinding("key", "ok", "the embedded model needs none")]
    try:
        listed = await list_models(base_url, api_key, tls_of(settings))
    except NO_LIST as error:
        listed = None
        findings.append(CheckFinding("models", "warning", f"no list of models ({type(error).__name__})"))
    for slug in settings.models:
        findings += _of_listing(settings, slug, listed)
    outcome, with_image, dialect = await _asked(endpoint, settings)
    await endpoint.close()
    findings += _of_answer(settings, outcome, with_image, dialect)
    is_refused = isinstance(outcome, Refusal) and outcome.kind == "refused"
    cost = outcome.cost_nusd if isinstance(outcome, Completion) else 0
    return Checked(tuple(findings), None if cost is None else cost / 1e9, is_refused)


def _of_listing(settings: Settings, slug: str, listed: dict[str, ListedModel] | None) -> Iterator[CheckFinding]:
    """Findings about a model's entry in the list: presence, window, price."""
    listing = (listed or {}).get(slug)
    if listed is not None and listing is None:
        near = ", ".join(name for name in listed if slug.rpartition("/")[2].split("-")[0] in name) or ", ".join(listed)
        yield CheckFinding(
            "model", "warning", f"{slug} is not listed by {settings.endpoint_name}", f"listed are {near[:200]}"
        )
    elif listing is not None:
        yield CheckFinding("model", "ok", f"{slug} is listed by {settings.endpoint_name}")
        if listing.takes_images is False:
            remedy = "use --images never, or a model that takes pictures"
            yield CheckFinding("model", "warning", f"{slug} is listed as a model that takes no pictures", remedy)
    entry = settings.model_entry(slug)
    window = min(entry.window, listing.window) if listing is not None and listing.window else entry.window
    source = (
        "the endpoint's" if listing is not None and listing.window and listing.window <= entry.window else "our table's"
    )
    yield CheckFinding(
        "window", "ok", f"{window:,} tokens ({source}), at most {entry.max_output:,} of them for an answer"
    )
    price_in, price_out = Prices(settings).usd_per_million(slug)
    if price_in is None or price_out is None:
        remedy = "set PAGEMILL_PRICE_IN and PAGEMILL_PRICE_OUT, or --budget cannot be used"
        if listing is not None and listing.price_in is not None:
            remedy += f"; the endpoint says ${listing.price_in:g} and ${listing.price_out or 0:g}"
        yield CheckFinding("price", "warning", "not known", remedy)
        return
    text = f"${price_in:g} in, ${price_out:g} out per million tokens"
    if (
        listing is not None
        and listing.price_in is not None
        and abs(listing.price_in - price_in) > 0.01 * max(price_in, listing.price_in)
    ):
        yield CheckFinding(
            "price", "warning", text, f"the endpoint says ${listing.price_in:g} in: set PAGEMILL_PRICE_IN and _OUT"
        )
        return
    yield CheckFinding("price", "ok", text)


async def _asked(endpoint: Endpoint, settings: Settings) -> tuple[Completion | Refusal, bool, str]:
    """Outcome of one small call with a picture and a schema, without one of them where the endpoint refuses both."""
    outcome: Completion | Refusal = Refusal("invalid", "a call of this size may cost more than a cent")
    for with_image, step in ((True, 0), (False, 0), (True, 1), (False, 1), (False, 2)):
        request = _request(settings, with_image=with_image)
        if (endpoint.prices.cost_nusd(request.prompt_tokens, request.max_tokens) or 0) > MOST_NUSD:
            break
        outcome = await endpoint.post(request, step, 1)
        if isinstance(outcome, Completion) or outcome.kind not in {"dialect", "too_large", "no_pictures", "invalid"}:
            return outcome, with_image, DIALECTS[step]
    return outcome, False, DIALECTS[-1]


def _of_answer(
    settings: Settings, outcome: Completion | Refusal, with_image: bool, dialect: str
) -> Iterable[CheckFinding]:
    if isinstance(outcome, Refusal):
        name = {"refused": "access", "overloaded": "busy", "failed": "answer"}.get(outcome.kind, "request")
        remedy = outcome.remedy or (
            "wait, or ask for a higher limit"
            if outcome.kind == "overloaded"
            else "check PAGEMILL_BASE_URL, and the server"
        )
        yield CheckFinding(name, "fault", f"{settings.endpoint_name} answered {outcome.reason}", remedy)
        return
    yield CheckFinding(
        "answer", "ok", f"{outcome.model_returned or settings.model} answered in {outcome.seconds:.1f} s"
    )
    yield _of_images(outcome, with_image)
    if dialect != DIALECTS[0]:
        remedy = "runs write the schema into the prompt and validate the answers"
        yield CheckFinding("schema", "warning", "the endpoint takes no JSON Schema", remedy)
    elif conforms(outcome.text, _SCHEMA):
        yield CheckFinding("schema", "ok", "the endpoint enforces JSON Schema")
    else:
        remedy = "answers may break it; runs notice that, and fall back to JSON mode"
        yield CheckFinding("schema", "warning", "the endpoint takes a JSON Schema, but does not enforce it", remedy)


def _of_images(outcome: Completion, with_image: bool) -> CheckFinding:
    if not with_image:
        return CheckFinding(
            "pictures", "fault", "the endpoint takes no pictures", "use --images never, or another model"
        )
    if "red" in outcome.text.lower():
        return CheckFinding("pictures", "ok", "the model sees a red square as red")
    remedy = "check a scanned page with `pagemill try` before you rely on pictures"
    return CheckFinding(
        "pictures", "warning", "the endpoint takes pictures, but the model did not name the colour of one", remedy
    )


def _request(settings: Settings, *, with_image: bool) -> Request:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_RED}"}}
    content: Sequence[dict[str, Any]] = [{"type": "text", "text": _ASK}, *([picture] if with_image else [])]
    messages = ({"role": "system", "content": "You look at pictures."}, {"role": "user", "content": list(content)})
    tokens = count_messages(({"role": "user", "content": _ASK},)) + (
        count_image(_RED_SIDE, _RED_SIDE) if with_image else 0
    )
    return Request(
        request_id="check",
        chunk=0,
        part=0,
        model=settings.model,
        messages=messages,
        schema_name="check",
        schema=_SCHEMA,
        temperature=0.0,
        max_tokens=_ANSWER_TOKENS,
        prompt_tokens=tokens,
    )
