"""What senders say of an alert, in whatever order it arrives; order goes by their own time and names of episodes.

A trigger is over when its episode was resolved by name, or when a resolution that concerns it happened not before it:
one without a name concerns all, one with a name those without. So an alert fires exactly when there is a trigger that
is not over, however the words were shuffled on their way.
"""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.events.commands import Fact
from tocsin.events.times import rfc3339
from tocsin.streams.domain import alert_facts as facts
from tocsin.streams.domain.alert_evolution import evolve
from tocsin.streams.domain.alert_facts import Heard
from tocsin.streams.domain.alert_state import AlertState, Episode, newest


def triggered(state: AlertState, word: Heard) -> Sequence[Fact]:
    if _over(state, word):
        return _late(state, word)
    episode = state.episode
    if episode is None:
        return (facts.opened(state, word, "new_fingerprint"),)
    if not episode.active:
        return (facts.opened(state, word, "previous_resolved"),)
    if _other_cycle(episode, word) and word.at >= episode.last_seen_at:
        return _next_episode(state, episode, word)
    return _again(state, episode, word)


def _over(state: AlertState, word: Heard) -> bool:
    name = word.event.episode
    if name:
        return state.ended_at(name) is not None or word.at <= state.over_until
    return word.at <= max(state.over_until, state.unnamed_over_until)


def _late(state: AlertState, word: Heard) -> Sequence[Fact]:
    """A trigger that is over: counted on the episode it belongs to, or an episode that opens and ends at once."""
    episode = state.episode
    if episode is None:
        return _opened_and_over(state, word)
    # of another episode it is not known whether this trigger was counted before
    distinct = word.event.transition == "triggered" and not _other_cycle(episode, word)
    until = episode.last_seen_at if episode.active else episode.resolved_at
    if _same_cycle(episode, word):
        return (facts.repeated(state, word, "episode_already_resolved"),)
    if word.at <= (episode.started_at if _other_cycle(episode, word) else max(episode.started_at, until)):
        return (facts.repeated(state, word, "older_than_episode", occurred=distinct),)
    if not episode.active:
        return _opened_and_over(state, word)
    if word.at < episode.last_seen_at:
        return (facts.repeated(state, word, "older_than_episode", occurred=distinct),)
    # an episode that came and went after this one shows that this one is over
    ended = _superseded(state, episode, word, word.at, tell=True)
    return ended, *_opened_and_over(_after(state, ended), word)


def _opened_and_over(state: AlertState, word: Heard) -> Sequence[Fact]:
    opened = facts.opened(state, word, "resolution_came_first", over=True)
    name = word.event.episode
    ended_at = state.ended_at(name) if name else max(state.over_until, state.unnamed_over_until)
    resolved_at = rfc3339(max(word.at, state.over_until if ended_at is None else ended_at))
    over = facts.resolved(
        _after(state, opened),
        word.received,
        resolved_at,
        "resolution_came_first",
        over_until=word.at,
        heard_of=False,
        tell=False,
    )
    return opened, over


def _next_episode(state: AlertState, episode: Episode, word: Heard) -> Sequence[Fact]:
    """Another cycle began, so the one before is over although nobody said so. An incident that counts the alert goes
    on with the new episode; it is told of the end only where the new one belongs elsewhere."""
    opened = facts.opened(state, word, "next_episode")
    there = opened.grouping.incident_entity if opened.grouping and not opened.suppressed_by else ""
    moved = state.told is not None and state.told.incident_entity != there
    ended = _superseded(state, episode, word, episode.last_seen_at, tell=moved)
    return ended, facts.opened(_after(state, ended), word, "next_episode")


def _superseded(state: AlertState, episode: Episode, word: Heard, over_until: int, *, tell: bool) -> Fact:
    return facts.resolved(
        state, word.received, word.event.occurred_at, "superseded", over_until=over_until, heard_of=False, tell=tell
    )


def _again(state: AlertState, episode: Episode, word: Heard) -> Sequence[Fact]:
    newest_word = word.at >= episode.last_seen_at
    occurred = False
    if _same_cycle(episode, word):
        rule = "same_episode"
    elif word.event.transition == "repeated":
        rule = "renotification"
    else:
        rule, occurred = "triggered_again", True
    repeat = facts.repeated(state, word, rule, occurred=occurred, newest_word=newest_word)
    if not newest_word or word.classified.severity == episode.severity:
        return (repeat,)
    return repeat, facts.severity_changed(_after(state, repeat), episode, word)


def acknowledged(state: AlertState, word: Heard) -> Sequence[Fact]:
    episode = state.episode
    if episode is None:
        return (facts.unknown_alert(word.received),)
    if episode.status != "firing":
        return (facts.repeated(state, word, f"already_{episode.status}"),)
    if _other_cycle(episode, word):
        return (facts.repeated(state, word, "older_than_episode"),)
    return (facts.acknowledged(state, word.received),)


def resolved(state: AlertState, word: Heard) -> Sequence[Fact]:
    episode, name = state.episode, word.event.episode
    if episode is None:
        return (facts.remembered(state, word),)
    same = _same_cycle(episode, word)
    if episode.active and (same or (not _other_cycle(episode, word) and word.at >= episode.last_seen_at)):
        # triggers of the named episode are over up to its newest; without a name, all up to the resolution
        over_until = max(episode.last_seen_at, 0 if name else word.at)
        end = facts.resolved(
            state,
            word.received,
            word.event.occurred_at,
            "resolved_by_sender",
            over_until=over_until,
            sender_episode=name,
        )
        return (end,)
    rule = "older_than_episode" if episode.active else "already_resolved"
    repeat = facts.repeated(state, word, rule)
    return (facts.remembered(state, word), repeat) if _adds(state, word) else (repeat,)


def _adds(state: AlertState, word: Heard) -> bool:
    """Whether a resolution says anything that is not known yet."""
    if word.event.episode and state.ended_at(word.event.episode) is None:
        return True
    return word.at > (state.unnamed_over_until if word.event.episode else state.over_until)


def _same_cycle(episode: Episode, word: Heard) -> bool:
    return bool(word.event.episode) and word.event.episode == episode.sender_episode


def _other_cycle(episode: Episode, word: Heard) -> bool:
    return bool(word.event.episode and episode.sender_episode) and word.event.episode != episode.sender_episode


def _after(state: AlertState, fact: Fact) -> AlertState:
    changed = evolve(state, fact)
    newest(changed)
    assert changed is not None  # noqa: S101 - newest() refused None
    return changed
