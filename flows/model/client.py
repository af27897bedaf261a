"""The HTTP client of an endpoint: calls once, goes nowhere else, and reads no answer without end."""

import httpx2

MOST_ANSWER_BYTES = 32 << 20  # of one answer, unpacked: thousands of times an output limit
_CONNECTIONS = httpx2.Limits(max_connections=1_100, max_keepalive_connections=100)  # above the most slots of a run


def client(base_url: str, api_key: str | None, timeout: float) -> httpx2.AsyncClient:
    """A client that calls once, goes nowhere else, and reads no answer without end.

    A redirect would carry page text to a host that the first line of the run did not name.
    """
    return httpx2.AsyncClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {api_key or 'none'}", "Accept": "application/json"},
        timeout=timeout,
        limits=_CONNECTIONS,
        follow_redirects=False,
        event_hooks={"response": [_read_bounded]},
    )


async def _read_bounded(response: httpx2.Response) -> None:
    """Read an answer's body, unpacked, and give up where it grows beyond what any answer needs."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MOST_ANSWER_BYTES:
            await response.aclose()
            raise httpx2.DecodingError(f"an answer of more than {MOST_ANSWER_BYTES >> 20} MB", request=response.request)
        parts.append(part)
    response._content = b"".join(parts)  # noqa: SLF001 - where httpx keeps a body that was read; it has no setter
