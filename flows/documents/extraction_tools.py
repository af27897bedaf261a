"""Tools that every document is read with; `tools_for` is the one place that assembles them."""

from dataclasses import dataclass

from extractors.confidence.confidence import Weights, default_weights
from flows.documents.confidence_weights import weights_for
from flows.documents.ocr import SecondReader, second_reader_for
from flows.documents.recipe import Recipe
from flows.documents.sandbox import Sandbox
from flows.model.cancellation import Cancellation
from flows.model.single_flight import Answers
from flows.settings import Settings
from flows.storage.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of one run, refresh, replay, trial or worker, shared by all its documents."""

    recipe: Recipe
    sandbox: Sandbox
    answers: Answers
    run_id: str
    interrupt: Cancellation
    scans: SecondReader | None
    weights: Weights  # of confidence
    follows_links: bool = False


def tools_for(
    settings: Settings, recipe: Recipe, sandbox: Sandbox, answers: Answers, run_id: str, dataset: Dataset | None = None
) -> Tools:
    """The tools by `settings`; `dataset` has weights of confidence of its own, or the package's are taken.

    Raises DatasetError where the dataset's weights cannot be read.
    """
    return Tools(
        recipe=recipe,
        sandbox=sandbox,
        answers=answers,
        run_id=run_id,
        interrupt=answers.endpoint.interrupt,
        scans=second_reader_for(settings, sandbox),
        weights=default_weights() if dataset is None else weights_for(dataset),
        follows_links=settings.follow_links,
    )
