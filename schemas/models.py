"""Table of known models. Prices are USD per million tokens; the operator's settings override them."""

from dataclasses import dataclass

OFFLINE = "offline"
DEFAULT_WINDOW = 128_000
DEFAULT_OUTPUT = 8_192


@dataclass(frozen=True, slots=True)
class Model:
    """Facts for packing and budgets: `window` and `max_output` in tokens, prices in USD per million, `images` per request."""

    slug: str
    window: int
    max_output: int
    price_in: float | None
    price_out: float | None
    images: int = 8


MODELS: dict[str, Model] = {
    model.slug: model
    for model in (
        Model("mistralai/mistral-small-3.1-24b-instruct", 128_000, 8_192, 0.35, 0.55),
        Model("mistralai/mistral-small-3.2-24b-instruct", 128_000, 8_192, 0.07, 0.20),
        Model(OFFLINE, 128_000, 8_192, 0.0, 0.0),
    )
}


def model_entry(slug: str) -> Model:
    """The entry of `slug`; for a model that is not listed the assumptions of DESIGN §3."""
    return MODELS.get(slug) or Model(slug, DEFAULT_WINDOW, DEFAULT_OUTPUT, None, None)
