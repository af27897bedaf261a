"""Resources that runs of one process share: Prefect's server, split processes, the embedded model."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flows.documents.sandbox import Sandbox
from flows.log import say
from flows.model.connect import model_address
from flows.model.endpoint import Endpoint
from flows.model.outage_notice import OutageNotice
from flows.runs.prefect_server import ChildServer, prefect_server
from flows.runs.webhook import post_message
from flows.settings import Settings


@dataclass(slots=True)
class Engine:
    """Resources that several runs of one process share."""

    settings: Settings
    server: ChildServer | None
    sandbox: Sandbox
    base_url: str
    api_key: str | None
    prefect_url: str | None = field(default=None)

    def ready(self) -> None:
        """Import Prefect while its server comes up. Raises ConfigurationError where it does not."""
        if self.server is not None:
            self.server.start()  # it comes up while Prefect is imported
        import prefect.flow_engine
        import prefect.task_engine
        import prefect.utilities.visualization  # noqa: F401 - the first flow imports them else, once the server is up

        if self.server is not None and self.prefect_url is None:
            self.prefect_url = self.server.url()

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Prefect's own settings with the address and the login of our server, once it is `ready`."""
        from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

        named: dict[Any, Any] = {PREFECT_API_URL: self.prefect_url} if self.prefect_url else {}
        if self.server is not None and self.server.login is not None:
            named[PREFECT_API_AUTH_STRING] = self.server.login
        with temporary_settings(named):
            yield


@contextmanager
def engine(settings: Settings) -> Iterator[Engine]:
    """Resources of runs; Prefect's server starts with the first run that has something to do."""
    with (
        prefect_server(settings.cache_dir / "prefect") as server,
        model_address(settings) as (base_url, api_key),
        Sandbox(settings.workers, settings.split_seconds, settings.split_memory) as sandbox,
    ):
        try:
            yield Engine(settings, server, sandbox, base_url, api_key)
        finally:
            if server is not None and server.is_started:
                from prefect.events.worker import EventsWorker

                logging.getLogger("EventsWorker").setLevel(logging.CRITICAL)  # it counts aloud what it still sends
                EventsWorker.drain_all(timeout=5)  # before the server that they go to ends


def tell_outages(engine: Engine, endpoint: Endpoint, *, quiet: bool) -> None:
    """Let Prefect and the terminal know while the endpoint does not answer."""
    settings = engine.settings

    def tell(text: str) -> None:
        assert settings.webhook is not None
        fault = post_message(settings.webhook, f"Pagemill on {socket.gethostname()}: {text}")
        if fault is not None:
            say(fault, "webhook")

    endpoint.pressure.on_outage = OutageNotice(
        settings.host,
        settings.patience,
        quiet=quiet,
        tell=None if settings.webhook is None else tell,
        tell_after=settings.tell_outage,
    )
