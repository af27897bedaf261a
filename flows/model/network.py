"""The way to an endpoint: TLS as the settings have it, the proxy of the environment, and faults of both in words."""

import base64
import socket
import ssl
import urllib.request
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flows.settings import Settings
from schemas.errors import ConfigurationError

_LEAST_SECRET = 6  # characters of a password that is told from the words of an answer


def tls_of(settings: Settings) -> ssl.SSLContext | bool:
    """The TLS context with the authorities and the client certificate that are configured; True: the library's own.

    Raises ConfigurationError for files that cannot be read, or that hold something else.
    """
    files = settings.ca_bundle, settings.client_cert, settings.client_key
    return True if files == (None, None, None) else _context(*files)


@lru_cache(maxsize=4)  # it parses some hundred certificates
def _context(ca_bundle: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    if key is not None and cert is None:
        raise ConfigurationError("PAGEMILL_CLIENT_KEY without a certificate; name its file in PAGEMILL_CLIENT_CERT")
    for name, path in (
        ("PAGEMILL_CA_BUNDLE (or SSL_CERT_FILE)", ca_bundle),
        ("PAGEMILL_CLIENT_CERT", cert),
        ("PAGEMILL_CLIENT_KEY", key),
    ):
        if path is not None and not path.is_file():
            raise ConfigurationError(f"{name}: {path} is no file; name a PEM file, or unset it")
    try:
        context = ssl.create_default_context(cafile=None if ca_bundle is None else str(ca_bundle))
    except (ssl.SSLError, OSError):
        raise ConfigurationError(
            f"PAGEMILL_CA_BUNDLE (or SSL_CERT_FILE): {ca_bundle} holds no certificate; name a PEM file of authorities"
        ) from None
    if cert is not None:
        try:
            context.load_cert_chain(cert, key)
        except (ssl.SSLError, OSError):
            raise ConfigurationError(
                f"PAGEMILL_CLIENT_CERT: {cert} with {key or 'no key of its own'} is no certificate and its key; name PEM files "
                "that belong together"
            ) from None
    return context


def is_loopback(base_url: str) -> bool:
    """True for an address of this machine itself, which no proxy of a network reaches."""
    host = urlsplit(base_url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def proxy_of(base_url: str) -> str | None:
    """Host and port of the proxy that calls to `base_url` go through by the environment; None: none."""
    parts = urlsplit(base_url)
    if is_loopback(base_url):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}").netloc.rpartition("@")[2]


def fault_in_words(error: BaseException, base_url: str) -> str:
    """The cause of a call that had no answer, in words, with what to look at."""
    parts = urlsplit(base_url)
    proxy = proxy_of(base_url)
    asked = parts.netloc.rpartition("@")[2]
    where = f"the proxy {proxy}" if proxy else asked
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {asked} is not trusted ({cause.verify_message}): name the authority of your network in "
                "PAGEMILL_CA_BUNDLE"
            )
        if isinstance(cause, ssl.SSLError):
            return f"no TLS with {where} ({cause.reason or 'refused'}): check http against https, and the port"
        if isinstance(cause, socket.gaierror):
            return f"the name of {where} was not found: check the address, and this machine's network"
        if isinstance(cause, ConnectionRefusedError):
            return f"nobody listens at {where}: is it started, and is the port right?"
    name = type(error).__name__
    if name == "ProxyError":
        return f"the proxy {proxy} refused to connect ({error}): check HTTPS_PROXY, its login, and NO_PROXY"
    if name == "ConnectTimeout":
        return f"{where} did not take the connection in time: check the address and the firewall"
    if name in {"ReadError", "RemoteProtocolError", "ReadTimeout", "WriteError", "WriteTimeout"}:
        return f"the connection to {where} broke before the answer was whole ({name} {error})".replace(" )", ")")
    return f"{name} {error}".strip()


def secrets_of(base_url: str, api_key: str | None) -> tuple[bytes, ...]:
    """Everything that an answer could repeat of the key, and of a login in the address: as written, decoded, and as base64."""
    found = {api_key or ""}
    login, mark, _ = urlsplit(base_url).netloc.rpartition("@")
    if mark:
        plain = unquote(login)
        words = {login.partition(":")[2], plain.partition(":")[2]}
        found |= {login, plain, *(word for word in words if len(word) >= _LEAST_SECRET)}
        found |= {base64.b64encode(text.encode()).decode() for text in (login, plain)}
    return tuple(sorted((text.encode() for text in found if text), key=len, reverse=True))


def redacted(content: bytes, secrets: Iterable[bytes]) -> bytes:
    """Bytes of an answer without secrets, which an endpoint may repeat."""
    for secret in secrets:
        content = content.replace(secret, b"(key)")
    return content


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__context__, one.__cause__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
