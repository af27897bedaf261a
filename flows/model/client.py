"""The HTTP client of an endpoint: calls once, goes nowhere else, and reads no answer without end."""

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

MOST_BYTES = 32 << 20  # of one answer, unpacked: thousands of times an output limit


def client(base_url: str, api_key: str | None, timeout: float) -> AsyncOpenAI:
    """A client that calls once, goes nowhere else, and reads no answer without end.

    A redirect would carry page text to a host that the first line of the run did not name.
    """
    http = DefaultAsyncHttpxClient(follow_redirects=False, timeout=timeout, event_hooks={"response": [_read_bounded]})
    return AsyncOpenAI(base_url=base_url, api_key=api_key or "none", max_retries=0, timeout=timeout, http_client=http)


async def _read_bounded(response: httpx2.Response) -> None:
    """Read an answer's body, unpacked, and give up where it grows beyond what any answer needs."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MOST_BYTES:
            await response.aclose()
            raise httpx2.DecodingError(f"an answer of more than {MOST_BYTES >> 20} MB", request=response.request)
        parts.append(part)
    response._content = b"".join(parts)  # noqa: SLF001 - where httpx keeps a body that was read; it has no setter
