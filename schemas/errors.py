"""The one error tree.

    PagemillError
    ├── ConfigurationError        wrong usage or settings: exit 2, nothing was started
    ├── DatasetError              the output folder cannot be used as it is
    │   └── UnwritableDatasetError    there is no room, or no right to write
    ├── BudgetExceededError       the next call would pass the budget
    ├── RunStoppedError           somebody told the run to stop
    ├── ModelUnavailableError     the endpoint refuses (exit 2) or stays away (exit 1)
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

Every message says where, what and what to do. Errors survive pickling, since they cross process borders.
"""


class PagemillError(Exception):
    """The root of everything Pagemill raises on purpose."""


class ConfigurationError(PagemillError):
    """Wrong usage or configuration: nothing was started."""


class DatasetError(PagemillError):
    """The output dataset cannot be read, written or trusted as it is."""


class UnwritableDatasetError(DatasetError):
    """The output dataset cannot be written. `fact` says where and why, `remedy` what to do; a command may know better."""

    def __init__(self, fact: str, remedy: str) -> None:
        super().__init__(fact, remedy)
        self.fact = fact
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.fact}; {self.remedy}"


class BudgetExceededError(PagemillError):
    """The next call could pass the budget; what is left is deferred."""


class RunStoppedError(PagemillError):
    """The run was told to stop: Ctrl-C, SIGTERM, or a cancellation through Prefect."""


class ModelUnavailableError(PagemillError):
    """The endpoint refuses or cannot be reached.

    `refused` is true for authentication, payment and unknown-model answers, which no waiting cures.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused

    def __reduce__(self) -> tuple[object, ...]:
        return (_unavailable, (self.args[0], self.refused))


def _unavailable(message: str, refused: bool) -> ModelUnavailableError:
    return ModelUnavailableError(message, refused=refused)


class DocumentError(PagemillError):
    """One document failed. `stage` names the step; `retryable` says whether a later night may succeed unchanged."""

    stage = "read"
    retryable = False


class UnreadableDocumentError(DocumentError):
    """The bytes cannot be read or opened as a document."""

    stage = "split"


class ChangedWhileReadError(DocumentError):
    """The file was different after the read than before it, twice."""

    stage = "read"
    retryable = True


class UnsupportedDocumentError(UnreadableDocumentError):
    """The bytes are of no format that split knows."""


class EncryptedDocumentError(UnreadableDocumentError):
    """The document needs a password that was not given."""


class SandboxLimitError(DocumentError):
    """Splitting passed its time or memory limit, or crashed its process.

    `has_died` is True where the process ended: in a run that was told to stop, this says nothing of the document.
    """

    stage = "split"
    retryable = True
    has_died = False


class ProcessDiedError(DocumentError):
    """The processes of a cluster that worked on the document's shard died, one after the other."""

    stage = "extract"
    retryable = True


class OversizedPageError(DocumentError):
    """One page alone does not fit the model's window."""

    stage = "chunk"


class InvalidCompletionError(DocumentError):
    """The model's answer could not be used for any of the document's chunks."""

    stage = "parse"
    retryable = True


class RequestTooLargeError(InvalidCompletionError):
    """The endpoint takes no request of this size: fewer pages must be asked for at once."""


class AnswerNotStoredError(DocumentError):
    """A replay needs an answer that is not among the stored ones."""

    stage = "ask"


class PicturesRefusedError(InvalidCompletionError):
    """The endpoint takes no pictures: what a page shows besides its text cannot be read there."""


def exit_code_of(stopped: PagemillError | None, *, failed: int) -> int:
    """Exit code of a command: 0 done, 1 a failure or stopped on the way, 2 refused or not set up, 3 the budget."""
    if isinstance(stopped, ConfigurationError) or (isinstance(stopped, ModelUnavailableError) and stopped.refused):
        return 2
    if isinstance(stopped, BudgetExceededError):
        return 3
    return 1 if stopped is not None or failed else 0


STOPS = (BudgetExceededError, ModelUnavailableError, RunStoppedError)  # what ends a run rather than a document
