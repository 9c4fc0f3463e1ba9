"""Which destinations may be reached: public hosts on 80 and 443, what TOCSIN_EGRESS_ALLOW adds, the operator's own.

A URL is judged when it is accepted and at every attempt; the addresses behind a name at every attempt, where all must
pass. An allow-listed name does not open link-local, metadata, multicast or reserved addresses: only a CIDR entry does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tocsin.egress import addresses, allow, urls
from tocsin.egress.addresses import ONLY_BY_ADDRESS, Address, embedded, special
from tocsin.egress.allow import Entry
from tocsin.egress.refusal import Refusal, Refused
from tocsin.egress.urls import Destination
from tocsin.errors import StartError

SETTING: Final = "TOCSIN_EGRESS_ALLOW"
_WEB_PORTS: Final = frozenset({80, 443})
_LOOPBACK: Final = tuple(address for text in ("127.0.0.1", "::1") if (address := addresses.read(text)) is not None)
_ELSEWHERE: Final = f"only public addresses, and those in {SETTING}, can be reached"


@dataclasses.dataclass(frozen=True, slots=True)
class EgressPolicy:
    """Immutable. ``trusted``: scheme, host and port of what the operator configured."""

    entries: tuple[Entry, ...] = ()
    trusted: frozenset[tuple[str, str, int]] = frozenset()

    def check_url(self, url: str, *, by_operator: bool = False, trusted: bool = False) -> Destination | Refusal:
        """``by_operator``: the URL comes from the configuration, not from an API user; ``trusted``: and provably so."""
        try:
            destination = urls.read(url)
        except Refused as error:
            return error.refusal
        known = (destination.scheme, destination.host, destination.port) in self.trusted
        if trusted or (by_operator and known):
            destination = dataclasses.replace(destination, trusted=True)
        return self._refused(destination) or destination

    def check_address(self, address: Address, destination: Destination) -> Refusal | None:
        """One address that is about to be dialled."""
        if self._covers(address, destination) and all(
            special(inner) is None or self._covers(inner, destination) for inner in embedded(address)
        ):
            return None
        return self._bad_address(address, destination)

    def check_addresses(self, found: Iterable[str], destination: Destination) -> Refusal | None:
        """What a name resolved to: every one must pass, and there must be one."""
        read = [addresses.read(text) for text in found]
        if not read:
            return Refusal("address", f"{destination.host} has no address")
        refusals = (
            self._unreadable(destination) if one is None else self.check_address(one, destination) for one in read
        )
        return next((refusal for refusal in refusals if refusal), None)

    def _refused(self, destination: Destination) -> Refusal | None:
        if destination.address is not None:
            return self.check_address(destination.address, destination)
        if not self._port_may_pass(destination):
            return self._bad_port(destination)
        if _means_loopback(destination.host) and all(self.check_address(one, destination) for one in _LOOPBACK):
            return self._bad_address(_LOOPBACK[0], destination)
        return None

    def _port_may_pass(self, destination: Destination) -> bool:
        """Whether any address could be dialled at this port."""
        port = destination.port
        blocks = (entry for entry in self.entries if entry.block is not None)
        return port in _WEB_PORTS or self._named(destination) or any(entry.has_port(port) for entry in blocks)

    def _named(self, destination: Destination) -> bool:
        host, port = destination.host, destination.port
        return destination.trusted or any(entry.host == host and entry.has_port(port) for entry in self.entries)

    def _covers(self, address: Address, destination: Destination) -> bool:
        kind, port = special(address), destination.port
        if kind is None and port in _WEB_PORTS:
            return True
        if self._named(destination) and (destination.address is not None or kind not in ONLY_BY_ADDRESS):
            return True
        return any(entry.covers(address, port) for entry in self.entries)

    def _bad_address(self, address: Address, destination: Destination) -> Refusal:
        kind = special(address)
        if kind is None:
            return self._bad_port(destination)
        # the address behind a name is not told: to API users it would be a map of the network
        what = "is not a public address" if destination.address is not None else "has an address that is not public"
        return Refusal("address", f"{destination.host} {what} ({kind}); {_ELSEWHERE}")

    def _bad_port(self, destination: Destination) -> Refusal:
        ports = [entry.ports for entry in self.entries if entry.host == destination.host]
        more = (_text(one) for several in ports for one in several)
        allowed = tuple(dict.fromkeys(("80", "443", *more)))
        return Refusal(
            "port", f"Port {destination.port} of {destination.host} is not among those that are open", allowed
        )

    def _unreadable(self, destination: Destination) -> Refusal:
        return Refusal("address", f"{destination.host} has an address with a zone, or none that can be read")


def parse(allowed: str | Sequence[str] = "", operator: Mapping[str, str] | None = None) -> EgressPolicy:
    """``allowed``: TOCSIN_EGRESS_ALLOW. ``operator``: URLs of the configuration by the name of their setting.

    Raises StartError; a configured URL may be secret and is not repeated.
    """
    texts = allowed.split(",") if isinstance(allowed, str) else allowed
    try:
        entries = tuple(allow.read(text) for text in texts if text.strip())
    except ValueError as error:
        raise StartError(f"{SETTING}: {error}.") from None
    given = operator or {}
    return EgressPolicy(entries, frozenset(_trusted(name, url) for name, url in given.items() if url))


def _trusted(setting: str, url: str) -> tuple[str, str, int]:
    try:
        found = urls.read(url)
    except Refused as error:
        raise StartError(f"{setting}: {error}.") from None
    return found.scheme, found.host, found.port


def _means_loopback(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")  # RFC 6761


def _text(ports: range) -> str:
    return str(ports[0]) if len(ports) == 1 else f"{ports[0]}-{ports[-1]}"
