"""Decides a slice of one partition's records on top of its state, without changing it: all or nothing, later.

A record that cannot be read or decided is set aside as a dead letter, alone; the others stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from aiokafka.structs import ConsumerRecord

from tocsin.events.commands import Fact
from tocsin.events.envelope import Envelope, EnvelopeError, from_headers
from tocsin.events.identity import record_key
from tocsin.events.topics import MAX_MESSAGE_BYTES
from tocsin.streams.domain.decision import Domain, Received, Run
from tocsin.streams.runtime.id_ring import id_hash
from tocsin.streams.runtime.partition_state import ActivePolicy, PartitionState, Progress

MAX_DEPTH: Final = 5  # steps from the outside world; effects beyond it would be a loop
_ENCODER: Final = msgspec.json.Encoder()


class Poison(ValueError):
    """A record that cannot be decided. ``reason`` is a stable word for metrics, ``str(error)`` the detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Decided(NamedTuple):
    """A fact with what its record needs besides it."""

    key: bytes
    envelope: Envelope
    fact: Fact


class DeadLetter(NamedTuple):
    record: ConsumerRecord
    reason: str
    detail: str
    exception: str


class Draft:
    """What one transaction is going to write.

    probe: encode what each record leads to at once, so that one that cannot be encoded or is larger than
    ``max_message_bytes`` then is found and set aside; used after encoding the whole slice failed.
    """

    def __init__(
        self,
        state: PartitionState,
        partition: int,
        *,
        probe: bool = False,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self.state, self.partition, self.probe, self._max_bytes = state, partition, probe, max_message_bytes
        self.domain: Domain[Any, Any] = state.domain
        self.changed: dict[bytes, Any] = {}
        self.facts: dict[bytes, list[Decided]] = {}
        self.dead_letters: list[DeadLetter] = []
        self.new_ids: list[bytes] = []
        self.policy: ActivePolicy | None = None
        self.skipped = 0  # replays of records applied before
        self.position, self.now = state.progress.position, state.progress.now
        self._seen: set[bytes] = set()
        self._runs: dict[bytes, Run[Any]] = {}
        self._before: dict[bytes, Any] = {}
        self._entities: dict[tuple[bytes, str], str] = {}
        self._policy = state.policy
        self._policy_event = state.domain.events[f"tocsin.{state.domain.name}.PolicyActivated.v1"]

    @property
    def progress(self) -> Progress:
        return Progress(self.position, self.now)

    def take(self, record: ConsumerRecord) -> None:
        """Decides one record. One below the position was applied before and is passed over."""
        if record.offset < self.position:
            return
        self.position = record.offset + 1
        self.now = max(self.now, record.timestamp)
        try:
            self._decide(record)
        except Poison as poison:
            self.dead_letters.append(DeadLetter(record, poison.reason, str(poison), type(poison.__cause__).__name__))
        except Exception as error:
            # a bug in a decision must not stop the partition: the event waits in the dead-letter queue for the fix
            self.dead_letters.append(DeadLetter(record, "cannot_decide", str(error)[:500], type(error).__name__))

    def settle(self) -> None:
        """Ends what is still being counted; the draft is complete after it."""
        for key in list(self._runs):
            self._end_run(key)

    def _decide(self, record: ConsumerRecord) -> None:
        envelope, event = self._read(record)
        if envelope.origin and self._applied_before(envelope):
            self.skipped += 1
            return
        hashed = id_hash(envelope.workspace, envelope.id) if envelope.sender_given else None
        duplicate = hashed is not None and self._has_seen(hashed)
        entity = self._entity_of(record.key, envelope)
        received = Received(event, envelope, entity, record.partition, record.offset, self.now, duplicate)
        if type(event) is self._policy_event:
            self.settle()  # what was counted so far was counted under the policy before
            self._activate(record.key, received)
        elif type(event) in self.domain.amending:
            self._amend(record.key, received)
        else:
            self._apply(record.key, received)
        if hashed is not None and not duplicate:
            self._remember(hashed)
        if envelope.origin:
            self._remember(id_hash(envelope.workspace, envelope.origin))

    def _has_seen(self, hashed: bytes) -> bool:
        return hashed in self._seen or hashed in self.state.ring

    def _remember(self, hashed: bytes) -> None:
        self._seen.add(hashed)
        self.new_ids.append(hashed)

    def _read(self, record: ConsumerRecord) -> tuple[Envelope, Any]:
        if record.key is None:
            raise Poison("no_key", "the record has no key")
        if record.value is None:
            raise Poison("tombstone", "the record has no value")
        try:
            envelope = from_headers(record.headers)
        except EnvelopeError as error:
            raise Poison("bad_envelope", str(error)) from error
        decoder = _decoder(self.domain, envelope.type)
        if decoder is None:
            raise Poison("unknown_type", f"{envelope.type} is no event of {self.domain.name}")
        try:
            return envelope, decoder.decode(record.value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Poison("bad_value", str(error)[:500]) from error

    def _applied_before(self, envelope: Envelope) -> bool:
        """Whether this is a replay of something this partition has handled: a log offset, or a dead letter."""
        source, _, rest = envelope.origin.partition(":")
        if source == "dlq":
            return self._has_seen(id_hash(envelope.workspace, envelope.origin))
        if not (source.isdigit() and rest.isdigit()) or int(source) != self.partition:
            raise Poison("bad_envelope", f"ce_origin {envelope.origin!r} is no offset of this partition")
        return int(rest) < self.position - 1

    def _entity_of(self, key: bytes, envelope: Envelope) -> str:
        known = self._entities.get((key, envelope.workspace))
        if known is None:
            known = self._entities[key, envelope.workspace] = self._entity(key, envelope)
        return known

    @staticmethod
    def _entity(key: bytes, envelope: Envelope) -> str:
        try:
            workspace, _, entity = key.decode().partition("/")
        except UnicodeDecodeError as error:
            raise Poison("bad_key", "the key is not UTF-8") from error
        if workspace not in (envelope.workspace, "policy") or not entity:
            raise Poison("bad_key", f"key {key!r} is not {envelope.workspace}/<entity>")
        return entity

    def _activate(self, key: bytes, received: Received) -> None:
        event, active = received.event, self.policy or self.state.active_policy
        if event.version == active.version:
            return
        self._govern(event.version, self.domain.amended(active.body, received))
        applied = self.domain.facts[f"tocsin.{self.domain.name}.PolicyApplied.v1"]
        fact = applied(
            entity=received.entity,
            at=received.at,
            cause=received.cause("policy_activated"),
            policy_version=event.version,
            body=event.body,
        )
        self.facts.setdefault(key, []).append(Decided(key, received.envelope, fact))

    def _amend(self, key: bytes, received: Received) -> None:
        """Decides an event under the policy before it, then changes that policy; one heard before changes nothing."""
        self.settle()
        active = self.policy or self.state.active_policy
        body = active.body if received.duplicate else self.domain.amended(active.body, received)
        self.domain.policy(body)  # one that cannot be read is set aside before anything is kept of it
        self._apply(key, received)
        if body is not active.body:
            self._govern(active.version, body)

    def _govern(self, version: str, body: Mapping[str, Any]) -> None:
        self._policy = self.domain.policy(body)
        self.policy = ActivePolicy(version, dict(body))

    def _apply(self, key: bytes, received: Received) -> None:
        """Decides one event, alone or in the run of its entity; a run that cannot take it ends before."""
        if (run := self._runs.get(key)) is not None:
            if run.add(received):
                return
            self._end_run(key)
        before = self._state_of(key)
        # a run cannot set one event aside, so none is begun while looking for what to set aside
        if before is not None and run is None and not self.probe:
            begun = self.domain.run(before, received, self._policy)
            if begun is not None:
                self._runs[key] = begun
                return
        self._decide_alone(key, received, before)

    def _end_run(self, key: bytes) -> None:
        run = self._runs.pop(key)
        fact, self.changed[key] = run.finish()
        self.facts.setdefault(key, []).append(Decided(key, run.last.envelope, fact))

    def _state_of(self, key: bytes) -> Any | None:
        """The state before the next event, decoded once a slice."""
        if key in self.changed:
            return self.changed[key]
        if (before := self._before.get(key)) is None:
            before = self._before[key] = self.state.get(key)
        return before

    def _decide_alone(self, key: bytes, received: Received, before: Any | None) -> None:
        domain, policy = self.domain, self._policy
        evolve, after = domain.evolve, before
        facts: list[Fact] = []
        if before is not None:
            facts += domain.advance(before, received, policy)
            for fact in facts:
                after = evolve(after, fact)
        for fact in domain.decide(after, received, policy):
            facts.append(fact)
            after = evolve(after, fact)
        if self.probe:
            self._check(received, facts, after)
        # nothing of this record is kept before everything of it succeeded
        if after is not before:
            self.changed[key] = after
        if facts:
            envelope = received.envelope
            self.facts.setdefault(key, []).extend([Decided(key, envelope, fact) for fact in facts])

    def _check(self, received: Received, facts: Sequence[Fact], state: Any) -> None:
        try:
            encoded = [b"" if state is None else _ENCODER.encode(state)]
            for fact in facts:
                encoded.append(_ENCODER.encode(fact))
                for effect in self.domain.effects(fact):
                    record_key(received.envelope.workspace, effect.entity)
                    encoded.append(_ENCODER.encode(effect.event))
                encoded += [_ENCODER.encode(event) for event in self.domain.live(fact)]
        except Exception as error:
            raise Poison("cannot_encode", str(error)[:500]) from error
        if (largest := max(map(len, encoded))) > self._max_bytes:
            raise Poison("too_large", f"what follows from it has {largest} bytes; {self._max_bytes} fit")


_DECODERS: Final[dict[tuple[str, str], msgspec.json.Decoder[Any]]] = {}


def _decoder(domain: Domain[Any, Any], event_type: str) -> msgspec.json.Decoder[Any] | None:
    known = _DECODERS.get((domain.name, event_type))
    if known is None and event_type in domain.events:
        known = _DECODERS[domain.name, event_type] = msgspec.json.Decoder(domain.events[event_type])
    return known
