"""Prices of the configured models: from the settings, else the model table. Money is counted in whole nano-USD."""

from dataclasses import dataclass
from decimal import Decimal

from flows.settings import Settings
from schemas.models import model_entry

NANO_PER_MILLION = 1_000  # nano-USD per token of one USD per million tokens


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by `settings`. A price of 0 is known; None is unknown."""

    settings: Settings

    @property
    def are_known(self) -> bool:
        """True where all configured models have prices, so that the cost of a call can be computed before it."""
        return all(None not in self.usd_per_million(model) for model in self.settings.models)

    def usd_per_million(self, model: str) -> tuple[float | None, float | None]:
        """USD per million tokens in and out: the settings' for the first model and for those that the table lacks."""
        entry = model_entry(model)
        is_first = model == self.settings.model
        pairs = (self.settings.price_in, entry.price_in), (self.settings.price_out, entry.price_out)
        price_in, price_out = (
            own if own is not None and (is_first or listed is None) else listed for own, listed in pairs
        )
        return price_in, price_out

    def cost_nusd(self, prompt_tokens: int, completion_tokens: int, model: str | None = None) -> int | None:
        """Cost of a call in nano-USD, for the first model by default; None where its price is unknown."""
        price_in, price_out = map(_nano, self.usd_per_million(model or self.settings.model))
        if price_in is None or price_out is None:
            return None
        return price_in * prompt_tokens + price_out * completion_tokens

    def cost_usd(self, nusd: int) -> float | None:
        """An amount in USD; None where a price is unknown and the sum would mislead."""
        return nusd / 1e9 if self.are_known else None


def _nano(price: float | None) -> int | None:
    return None if price is None else round(Decimal(str(price)) * NANO_PER_MILLION)
