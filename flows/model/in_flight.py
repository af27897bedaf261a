"""Each request once in this process: an equal request waits for the first one's answer and pays nothing."""

import asyncio
from dataclasses import replace

from flows.model.endpoint import Endpoint, Keep
from schemas.pipeline import Completion, Request


class Answers:
    """Asks each request once in this process: an equal request waits for the first and gets the same answer for nothing."""

    MOST_REMEMBERED = 20_000  # answers kept for equal requests: some 100 MB

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._asked: dict[str, asyncio.Future[Completion]] = {}  # oldest first

    async def get(self, request: Request, keep: Keep) -> Completion:
        """The answer to `request`, kept by `keep` before it is returned; reused ones have attempts, tokens and cost 0."""
        known = self._asked.get(request.request_id)
        if known is None:
            known = asyncio.get_running_loop().create_future()
            self._asked[request.request_id] = known
            self._forget_oldest()
            try:
                completion = await self.endpoint.ask(request, keep)
            except BaseException as error:
                self._asked.pop(request.request_id, None)
                if not known.done():
                    known.set_exception(error) if isinstance(error, Exception) else known.cancel()
                    if not known.cancelled():
                        known.exception()  # somebody may have been waiting, or nobody
                raise
            known.set_result(completion)
            return completion
        answered = await asyncio.shield(known)
        reused = replace(answered, prompt_tokens=0, completion_tokens=0, cost_nusd=0, attempts=0, seconds=0.0)
        await keep(reused)
        return reused

    def _forget_oldest(self) -> None:
        """Keep memory bounded over an archive: equal requests mostly come close together."""
        while len(self._asked) > self.MOST_REMEMBERED:
            oldest = next(iter(self._asked))
            if not self._asked[oldest].done():
                return
            del self._asked[oldest]
