"""The error tree.

    PagemillError
    ├── ConfigurationError        wrong usage or settings: exit 2, nothing was started
    ├── DatasetError              the output folder cannot be used as it is
    │   └── UnwritableDatasetError    the disk is full, or write permission is missing
    ├── BudgetExceededError       the next call could exceed the budget
    ├── RunStoppedError           a person or a scheduler stopped the run
    ├── ModelUnavailableError     the endpoint refuses (exit 2) or does not answer (exit 1)
    └── DocumentError             one document failed; the run goes on
        ├── UnreadableDocumentError
        │   ├── UnsupportedDocumentError
        │   └── EncryptedDocumentError
        ├── SandboxLimitError
        ├── OversizedPageError
        ├── ProcessDiedError
        ├── AnswerNotStoredError
        └── InvalidCompletionError
            ├── RequestTooLargeError
            └── PicturesRefusedError

Every message names the place, the fault and the remedy. Errors survive pickling, since they pass between processes.
"""


class PagemillError(Exception):
    """Base of all errors that Pagemill raises on purpose."""


class ConfigurationError(PagemillError):
    """Wrong usage or configuration; nothing was started."""


class DatasetError(PagemillError):
    """The output dataset cannot be read, written or trusted as it is."""


class UnwritableDatasetError(DatasetError):
    """The output dataset cannot be written. `fact` names place and reason, `remedy` is replaced by some commands."""

    def __init__(self, fact: str, remedy: str) -> None:
        super().__init__(fact, remedy)
        self.fact = fact
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.fact}; {self.remedy}"


class BudgetExceededError(PagemillError):
    """The next call could exceed the budget; the remaining documents are deferred."""


class RunStoppedError(PagemillError):
    """The run was stopped: by Ctrl-C, SIGTERM, or a cancellation through Prefect."""


class ModelUnavailableError(PagemillError):
    """The endpoint refuses or cannot be reached.

    `refused` is true for authentication, payment and unknown-model answers, which a retry does not cure.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused

    def __reduce__(self) -> tuple[object, ...]:
        return (_unavailable, (self.args[0], self.refused))


def _unavailable(message: str, refused: bool) -> ModelUnavailableError:
    return ModelUnavailableError(message, refused=refused)


class DocumentError(PagemillError):
    """One document failed. `stage` names the step; `retryable` is true where a later run may succeed without a change."""

    stage = "read"
    retryable = False


class UnreadableDocumentError(DocumentError):
    """The bytes cannot be read or opened as a document."""

    stage = "split"


class ChangedWhileReadError(DocumentError):
    """The file changed during the read, twice."""

    stage = "read"
    retryable = True


class UnsupportedDocumentError(UnreadableDocumentError):
    """The bytes are in no supported format."""


class EncryptedDocumentError(UnreadableDocumentError):
    """The document needs a password that was not given."""


class SandboxLimitError(DocumentError):
    """Splitting exceeded its time or memory limit, or crashed its process.

    `has_died` is True where the process ended: in a run that is being stopped, this is no fault of the document.
    """

    stage = "split"
    retryable = True
    has_died = False


class ProcessDiedError(DocumentError):
    """Every worker process of the cluster that took the document's shard died."""

    stage = "extract"
    retryable = True


class OversizedPageError(DocumentError):
    """One page alone does not fit the model's window."""

    stage = "chunk"


class InvalidCompletionError(DocumentError):
    """No answer for any of the document's chunks was usable."""

    stage = "parse"
    retryable = True


class RequestTooLargeError(InvalidCompletionError):
    """The endpoint refuses requests of this size: a request must carry fewer pages."""


class AnswerNotStoredError(DocumentError):
    """A replay needs an answer that is not stored."""

    stage = "ask"


class PicturesRefusedError(InvalidCompletionError):
    """The endpoint refuses pictures: only the text of a page can be read there."""


def exit_code_of(stopped: PagemillError | None, *, failed: int) -> int:
    """Exit code of a command: 0 done, 1 failed or stopped on the way, 2 refused or misconfigured, 3 over budget."""
    if isinstance(stopped, ConfigurationError) or (isinstance(stopped, ModelUnavailableError) and stopped.refused):
        return 2
    if isinstance(stopped, BudgetExceededError):
        return 3
    return 1 if stopped is not None or failed else 0


STOPS = (BudgetExceededError, ModelUnavailableError, RunStoppedError)  # errors that end the run, not only a document
