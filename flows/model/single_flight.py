"""Single flight: equal requests of a process are sent once, and share the answer."""

import asyncio
from dataclasses import replace

from flows.model.endpoint import Endpoint, Keep
from schemas.step_data import Completion, Request


class Answers:
    """Answers by request: an equal request waits for the first one and gets the same answer at no cost."""

    MOST_REMEMBERED = 20_000  # answers kept for equal requests: about 100 MB

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._asked: dict[str, asyncio.Future[Completion]] = {}  # oldest first

    async def get(self, request: Request, keep: Keep) -> Completion:
        """The answer to `request`, kept by `keep` before it is returned; a reused one has attempts, tokens and cost 0."""
        answer = self._asked.get(request.request_id)
        if answer is None:
            answer = asyncio.get_running_loop().create_future()
            self._asked[request.request_id] = answer
            self._forget_oldest()
            try:
                completion = await self.endpoint.ask(request, keep)
            except BaseException as error:
                self._asked.pop(request.request_id, None)
                if not answer.done():
                    answer.set_exception(error) if isinstance(error, Exception) else answer.cancel()
                    if not answer.cancelled():
                        answer.exception()  # marks the exception as read, since no other request may be waiting
                raise
            answer.set_result(completion)
            return completion
        answered = await asyncio.shield(answer)
        reused = replace(answered, prompt_tokens=0, completion_tokens=0, cost_nusd=0, attempts=0, seconds=0.0)
        await keep(reused)
        return reused

    def _forget_oldest(self) -> None:
        """Forget the oldest answers, to bound memory: equal requests mostly come close together."""
        while len(self._asked) > self.MOST_REMEMBERED:
            oldest = next(iter(self._asked))
            if not self._asked[oldest].done():
                return
            del self._asked[oldest]
