"""HTTP client of an endpoint: no retries, no redirects, answers of limited size."""

import ssl

import httpx2

from flows.model.network import is_loopback

MOST_ANSWER_BYTES = 32 << 20  # of one unpacked answer: thousands of times an output limit
_CONNECTIONS = httpx2.Limits(max_connections=1_100, max_keepalive_connections=100)  # more than the slots of any run


def client(base_url: str, api_key: str | None, timeout: float, tls: ssl.SSLContext | bool = True) -> httpx2.AsyncClient:
    """A client without retries and redirects, with answers of at most MOST_ANSWER_BYTES; `timeout` is in seconds.

    A redirect would send page text to a host that the user did not name.
    """
    return httpx2.AsyncClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {api_key or 'none'}", "Accept": "application/json"},
        timeout=timeout,
        verify=tls,
        trust_env=not is_loopback(base_url),  # a proxy of the network cannot reach this machine's own ports
        limits=_CONNECTIONS,
        follow_redirects=False,
        event_hooks={"response": [_read_bounded]},
    )


async def _read_bounded(response: httpx2.Response) -> None:
    """Read and unpack an answer's body. Raises DecodingError beyond MOST_ANSWER_BYTES."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MOST_ANSWER_BYTES:
            await response.aclose()
            raise httpx2.DecodingError(f"an answer of more than {MOST_ANSWER_BYTES >> 20} MB", request=response.request)
        parts.append(part)
    response._content = b"".join(parts)  # noqa: SLF001 - httpx has no setter for a body that was read
