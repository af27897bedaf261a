"""The tools that every document of a run is read with."""

from dataclasses import dataclass, field

from extractors.confidence.confidence import Weights, default_weights
from flows.documents.ocr import Scans
from flows.documents.recipe import Recipe
from flows.documents.sandbox import Sandbox
from flows.model.cancellation import Interrupt
from flows.model.in_flight import Answers


@dataclass(frozen=True, slots=True)
class Tools:
    """What every document of a run is extracted with."""

    recipe: Recipe
    sandbox: Sandbox
    answers: Answers
    run_id: str
    interrupt: Interrupt = field(default_factory=Interrupt)
    scans: Scans | None = None
    weights: Weights = field(default_factory=default_weights)  # of confidence
