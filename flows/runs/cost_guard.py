"""Guards before money is spent: a known price for the budget, a person's consent to a high cost."""

from collections.abc import Callable

from flows.model.prices import Prices
from flows.settings import Settings
from schemas.errors import ConfigurationError

AskConsent = Callable[[str], bool]  # asks a person


def require_price(settings: Settings, budget_usd: float | None) -> None:
    """Raises ConfigurationError for a budget where the price of a call is unknown."""
    if budget_usd is not None and not Prices(settings).are_known:
        raise ConfigurationError(
            f"--budget needs the price of {' and '.join(settings.models)}, which is not listed; set PAGEMILL_PRICE_IN and "
            "PAGEMILL_PRICE_OUT (USD per million tokens)"
        )


def confirm_cost(settings: Settings, cost_usd: float, purpose: str, confirm: AskConsent | None) -> None:
    """Ask for consent to a cost above PAGEMILL_CONFIRM_ABOVE; `purpose` begins the question.

    Raises ConfigurationError where there is nobody to ask, or who says no.
    """
    if cost_usd <= settings.confirm_above:
        return
    text = f"{purpose} ${cost_usd:.2f}, more than PAGEMILL_CONFIRM_ABOVE (${settings.confirm_above:.2f})"
    if confirm is None:
        raise ConfigurationError(f"{text}; cap it with --budget, or raise PAGEMILL_CONFIRM_ABOVE. Nothing was sent")
    if not confirm(text):
        raise ConfigurationError("not confirmed; nothing was sent")
