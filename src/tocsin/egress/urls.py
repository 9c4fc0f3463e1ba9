"""Absolute http and https URLs, read strictly: what two parsers might read differently is refused."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import quote

from tocsin.egress import hosts
from tocsin.egress.addresses import Address
from tocsin.egress.refusal import Refused

Scheme = Literal["http", "https"]
SCHEMES: Final[tuple[Scheme, ...]] = ("http", "https")
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
MAX_URL: Final = 2048
"""Characters, both as written and as sent."""

_SHAPE: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)(#.*)?", re.DOTALL)
_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([^:]*))?")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
# controls, format characters, surrogates, spaces
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
# everything RFC 3986 allows in a path or query, and the percent sign of what is already encoded
_KEPT: Final = "!$&'()*+,;=:@/?-._~%"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a request goes. ``address``: of a host that is one. ``target``: path and query, percent-encoded.

    ``trusted``: an operator configured exactly this scheme, host and port, and it is the operator's URL.
    """

    scheme: Scheme
    host: str
    port: int
    target: str
    address: Address | None = None
    trusted: bool = False

    @property
    def authority(self) -> str:
        """The Host header: IPv6 in brackets, the scheme's own port left out."""
        return self._host if self.port == DEFAULT_PORTS[self.scheme] else f"{self._host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """``https://host:port``: what limits and breakers are kept by."""
        return f"{self.scheme}://{self._host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def read(text: str) -> Destination:
    """Says nothing about whether it may be reached. Raises Refused."""
    if len(text) > MAX_URL:
        raise Refused("too_long", f"A URL has at most {MAX_URL} characters")
    if any(unicodedata.category(one) in _INVISIBLE for one in text) or "\\" in text:
        raise Refused("character", "A URL has no spaces, control characters or backslashes")
    scheme, authority, target = _parts(text)
    host, port = _host_and_port(authority)
    name, address = hosts.read(host)
    found = Destination(scheme, name, port or DEFAULT_PORTS[scheme], _target(target), address)
    if len(found.url) > MAX_URL:
        raise Refused("too_long", f"A URL has at most {MAX_URL} characters, percent-encoded")
    return found


def _parts(text: str) -> tuple[Scheme, str, str]:
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise Refused("url", "An absolute URL is needed, such as https://example.com/hook")
    scheme, authority, target, fragment = shape.groups()
    if scheme.lower() not in SCHEMES:
        raise Refused("scheme", "The scheme is http or https", SCHEMES)
    if fragment is not None:
        raise Refused("fragment", "A fragment is never sent; leave # and what follows out")
    return cast(Scheme, scheme.lower()), authority, target


def _host_and_port(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise Refused("userinfo", "A URL has no user name or password; use a header")
    shape = _AUTHORITY.fullmatch(authority)
    if shape is None:
        raise Refused("host", "The host cannot be read; IPv6 addresses stand in brackets")
    host, port = shape.groups()
    if port is None:
        return host, None
    if not _PORT.fullmatch(port) or int(port) > 65_535:
        raise Refused("port", "A port is a number from 1 to 65535")
    return host, int(port)


def _target(text: str) -> str:
    # a percent sign that starts no escape is one itself
    escaped = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text)
    quoted = quote(escaped, safe=_KEPT)
    return quoted if quoted.startswith("/") else f"/{quoted}"
