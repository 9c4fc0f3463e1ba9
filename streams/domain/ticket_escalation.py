"""Raises the level of a ticket: what is due at once is gathered, and told as one fact with one round of messages."""

from __future__ import annotations

import hashlib
from typing import Final

from tocsin.events import sla as contract
from tocsin.events.commands import Answer
from tocsin.events.identity import delivery_id
from tocsin.events.sla import EscalationStep, Notification
from tocsin.events.times import rfc3339, unix_ms
from tocsin.events.vocabulary import METRICS, EscalationReason, Metric
from tocsin.streams.domain import ladder_moves
from tocsin.streams.domain.ladder_moves import Told
from tocsin.streams.domain.sla_rules import Channel, Ladder
from tocsin.streams.domain.sla_state import Climb, Clock, positions, told
from tocsin.streams.domain.sla_telling import Telling
from tocsin.streams.domain.ticket_clocks import end_ladder

LATE_MS: Final = 60_000
"""As for slots of jobs: more than a minute after its time."""
WITHOUT_LADDER: Final = 1
"""The level to which breaches raise a ticket that no ladder is for."""
_NOBODY: Final = Told(())


class Rising:
    """Takes what is due in order; ``finish`` tells it. level: reached meanwhile; climbs: where the ladders stand."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self.climbs: dict[tuple[Metric, int], Climb] = {
            (climb.metric, climb.cycle): climb for climb in telling.sla.climbs
        }
        self._before = self.level = telling.sla.level
        self._steps: list[EscalationStep] = []
        self._told: tuple[EscalationStep, Told] | None = None
        self._held_until = 0
        self._ladder = ""
        self._caps = [WITHOUT_LADDER]
        for climb in self.climbs.values():
            self._caps.append(self._cap(climb.ladder))

    # --- what is due ---

    def breached(self, clock: Clock) -> None:
        """A clock was missed: one level, and its ladder begins, with the breach itself unless its first step waits."""
        telling, at = self._telling, clock.breached_at
        found = telling.rules.ladder(clock.metric, clock.customer_tier, clock.priority)
        self._ladder = found[0] if found else ""
        if found is None or not telling.episode.unresolved:
            self._raise(self._cap(self._ladder))
            self._steps.append(_step("breach", clock.metric, clock.cycle, at))
            return
        name, ladder = found
        self._raise(ladder.max_level)
        climb = ladder_moves.begun(clock, name, ladder)
        self.climbs[clock.metric, clock.cycle] = climb
        if climb.next_at > at:
            self._steps.append(_step("breach", clock.metric, clock.cycle, at))
        else:
            self._tell(climb, ladder, _step("breach", clock.metric, clock.cycle, at, 1), at)

    def due(self, climb: Climb, at: int) -> None:
        """A ladder goes on: with its next step, or with telling people of one that has counted."""
        ladder = self._telling.rules.body.ladders.get(climb.ladder)
        if ladder is None:  # of a policy before
            self.drop(climb)
            return
        reason: EscalationReason = "ack_timeout" if climb.waits_for == "resolution" else "ladder"
        self._go(climb, ladder, reason, at, counts=climb.waits_for != "telling")

    def by_hand(self) -> bool:
        """The next step at once, whatever it waits for. False: there is no ladder."""
        telling, now = self._telling, self._telling.received.now
        ladders = telling.rules.body.ladders
        for metric in reversed(METRICS):
            climb = next((one for one in self.climbs.values() if one.metric == metric), None)
            if climb is not None and (ladder := ladders.get(climb.ladder)) is not None:
                self._go(climb, ladder, "manual", now, counts=climb.waits_for != "telling")
                return True
        sla = telling.sla
        for metric in reversed(METRICS):
            if (found := telling.rules.ladder(metric, sla.customer_tier, sla.priority)) is not None:
                self._alone(metric, *found)
                return True
        return False

    def _alone(self, metric: Metric, name: str, ladder: Ladder) -> None:
        """Nothing is overdue: the people of the level it comes to are told, and no ladder begins."""
        telling, now = self._telling, self._telling.received.now
        self._ladder = name
        self._raise(ladder.max_level)
        climb = Climb(metric, 0, name, max(1, self.level))
        number, content = ladder_moves.step_of(climb, ladder)
        step = _step("manual", metric, 0, now, number)
        self._told = step, Told(ladder_moves.channels_of(content, telling.sla, telling.rules))
        self._steps.append(step)

    def drop(self, climb: Climb) -> None:
        """Its ladder is no more."""
        self.climbs.pop((climb.metric, climb.cycle), None)
        end_ladder(self._telling, climb.metric, climb.cycle, "ladder_gone")

    def sweep(self) -> None:
        """Forgets the ladders of clocks that have ended meanwhile."""
        for key, climb in list(self.climbs.items()):
            clock = self._telling.sla.clock(climb.metric, climb.cycle)
            if clock is None or not clock.open:
                del self.climbs[key]

    def _go(self, climb: Climb, ladder: Ladder, reason: EscalationReason, at: int, *, counts: bool) -> None:
        self._ladder = climb.ladder
        number, _ = ladder_moves.step_of(climb, ladder)
        if counts:
            self._raise(ladder.max_level)
        self._tell(climb, ladder, _step(reason, climb.metric, climb.cycle, at, number, climb.loop), at)

    def _tell(self, climb: Climb, ladder: Ladder, step: EscalationStep, at: int) -> None:
        telling = self._telling
        _, content = ladder_moves.step_of(climb, ladder)
        channels = ladder_moves.channels_of(content, telling.sla, telling.rules)
        if step.reason == "manual":
            who = Told(channels)
        else:
            who = ladder_moves.tell(channels, ladder, telling.sla, telling.rules, telling.received.now)
        if who.held_until:
            after = ladder_moves.held(climb, who.held_until)
            self._held_until = min(self._held_until or who.held_until, who.held_until)
        else:
            after = ladder_moves.past(climb, ladder, at)
            self._told = step, who
        self.climbs[climb.metric, climb.cycle] = after
        self._steps.append(step)

    # --- the level ---

    def _cap(self, ladder: str) -> int:
        found = self._telling.rules.body.ladders.get(ladder)
        return found.max_level if found else WITHOUT_LADDER

    def _raise(self, cap: int) -> None:
        """By one, up to the most that any ladder of the ticket allows; it never falls."""
        self._caps.append(cap)
        self.level = max(self.level, min(self.level + 1, max(self._caps)))

    # --- telling ---

    def finish(self, actor: str = "", remark: str = "", answers: tuple[Answer, ...] = ()) -> None:
        """One fact, if anything was due. The newest step that may tell somebody does; the others are coalesced."""
        if not self._steps:
            return
        telling = self._telling
        step, who = self._told or (self._steps[-1], _NOBODY)
        others = tuple(one for one in self._steps if one is not step)
        late_by = max(0, telling.received.now - unix_ms(step.due_at))
        sla = telling.sla
        clock = sla.clock(step.metric, step.cycle)
        telling.say(
            contract.Escalated,
            step.reason,
            answers=answers,
            level=self.level,
            from_level=self._before,
            cap=max(self._caps),
            told=step,
            ladder=self._ladder,
            subject=sla.subject or telling.ticket_id,
            priority=sla.priority,
            customer_tier=sla.customer_tier,
            clock=told(clock) if clock else None,
            lateness_ms=late_by,
            late=bool(others) or late_by > LATE_MS,
            coalesced=others,
            notifications=self._notifications(step, who),
            quiet_channels=who.quiet,
            held_until=rfc3339(self._held_until) if self._held_until and self._told is None else "",
            ladders=positions(tuple(self.climbs.values())),
            link=_link(telling),
            actor=actor,
            remark=remark,
        )

    def _notifications(self, step: EscalationStep, who: Told) -> tuple[Notification, ...]:
        telling = self._telling
        if not telling.notify or not telling.episode.unresolved:
            return ()
        channels = telling.rules.body.channels
        return tuple(_notification(telling, step, name, channels[name]) for name in who.channels)


def _step(
    reason: EscalationReason, metric: Metric, cycle: int, due_at: int, step: int = 0, loop: int = 1
) -> EscalationStep:
    return EscalationStep(reason=reason, metric=metric, cycle=cycle, due_at=rfc3339(due_at), step=step, loop=loop)


def _link(telling: Telling) -> str:
    url = telling.rules.body.public_url
    return f"{url}/tickets/{telling.ticket_id}" if url else ""


def _notification(telling: Telling, step: EscalationStep, name: str, channel: Channel) -> Notification:
    """Its id follows from what it tells of and to whom, so that deciding twice sends one."""
    workspace = telling.received.envelope.workspace
    parts = [workspace, telling.ticket_id, step.metric, str(step.cycle), str(step.step), str(step.loop), step.due_at]
    if step.reason == "manual":  # two people may do it in one millisecond
        parts.append(telling.received.envelope.id)
    identity = hashlib.sha256("\0".join([*parts, name]).encode()).hexdigest()
    where = channel.known_as or channel.endpoint
    return Notification(
        notification_id=identity,
        delivery_id=delivery_id(workspace, where, identity),
        channel=name,
        kind=channel.kind,
        known_as=channel.known_as,
        url=channel.url,
        rate_per_second=channel.rate_per_second,
    )
