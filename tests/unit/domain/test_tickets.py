"""The tickets decisions, as tables: W1–W6, W8."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.domain.given import FIRST, HOUR, SECOND, Log, change, failure, hide, said, success, wake
from tocsin.events import tickets as contract
from tocsin.events.commands import CommandRefused
from tocsin.streams.domain.ticket_policy import TicketsPolicy
from tocsin.streams.domain.ticket_timers import next_due

DAY = 24 * HOUR


def test_W1_first_failure_opens_a_ticket_with_everything_it_said() -> None:
    (opened,) = Log().when(failure(severity="critical", run_url="https://ci/1", step="load"))
    assert isinstance(opened, contract.TicketOpened)
    assert (opened.ticket_id, opened.status, opened.occurrences, opened.deliveries) == (FIRST, "open", 1, 1)
    assert (opened.latest.severity, opened.latest.run_url, opened.latest.step) == ("critical", "https://ci/1", "load")
    assert opened.cause.rule == "new_identity"


@pytest.mark.parametrize("status", ["open", "in_progress", "pending"])
def test_W2_repeated_failure_counts_on_any_unresolved_ticket(status: Any) -> None:
    log = Log().given(failure(), change(status))
    (counted,) = log.when(failure(message="again"))
    assert isinstance(counted, contract.OccurrencesCounted)
    assert (counted.ticket_id, counted.occurrences, counted.deliveries) == (FIRST, 2, 2)
    assert counted.latest is not None
    assert counted.latest.message == "again"


def test_W2_same_event_delivered_again_counts_a_delivery_only() -> None:
    log = Log().given(failure())
    (counted,) = log.when(failure(), duplicate=True)
    assert isinstance(counted, contract.OccurrencesCounted)
    assert (counted.occurrences, counted.deliveries) == (1, 2)
    assert (counted.occurrences_added, counted.deliveries_added, counted.latest) == (0, 1, None)


def test_W2_duplicate_on_a_resolved_ticket_does_not_reopen_it() -> None:
    log = Log().given(failure(), change("done"))
    assert said(log.when(failure(), duplicate=True)) == [("OccurrencesCounted", "duplicate_delivery")]
    assert log.state is not None
    assert log.state.unresolved() is None


def test_W2_known_event_id_with_another_identity_is_ignored_with_a_reason() -> None:
    assert said(Log().when(failure(), duplicate=True)) == [("DeliveryIgnored", "event_id_seen_with_another_identity")]


MOVES = [
    # from events, asked, then
    ([], "open", ("CommandUnchanged", "same_status")),
    ([], "in_progress", ("StatusChanged", "legal_move")),
    ([], "pending", ("StatusChanged", "legal_move")),
    ([], "done", ("StatusChanged", "legal_move")),
    ([], "closed", ("CommandRefused", "illegal_move")),
    ([change("pending")], "in_progress", ("StatusChanged", "legal_move")),
    ([change("done")], "open", ("StatusChanged", "legal_move")),
    ([change("done")], "closed", ("StatusChanged", "legal_move")),
    ([change("done")], "pending", ("CommandRefused", "illegal_move")),
    ([change("done")], "done", ("CommandUnchanged", "same_status")),
    ([change("done"), change("closed")], "open", ("CommandRefused", "final")),
    ([change("done"), change("closed")], "closed", ("CommandUnchanged", "same_status")),
]


@pytest.mark.parametrize(("before", "asked", "then"), MOVES)
def test_W4_status_moves(before: list[Any], asked: Any, then: tuple[str, str]) -> None:
    assert said(Log().given(failure(), *before).when(change(asked))) == [then]


def test_W4_refusal_names_the_allowed_statuses() -> None:
    (refused,) = Log().given(failure(), change("done")).when(change("pending"))
    assert isinstance(refused, CommandRefused)
    assert refused.allowed == ("open", "closed")


@pytest.mark.parametrize("command", [change("done", SECOND), hide(SECOND), change("done", "t_other-1")])
def test_W4_unknown_ticket_is_refused_as_unknown(command: Any) -> None:
    assert said(Log().given(failure()).when(command)) == [("CommandRefused", "unknown")]


def test_W4_command_on_an_entity_never_seen_is_unknown() -> None:
    assert said(Log().when(change("done"))) == [("CommandRefused", "unknown")]


def test_W4_stale_if_match_is_refused_and_a_current_one_is_not() -> None:
    log = Log().given(failure())
    (refused,) = log.when(change("done", if_version=7))
    assert isinstance(refused, CommandRefused)
    assert (refused.reason, refused.current_version) == ("version_mismatch", 0)
    assert said(log.when(change("done", if_version=0))) == [("StatusChanged", "legal_move")]


def test_W4_updated_at_rises_with_every_change_in_the_same_millisecond() -> None:
    log = Log().given(failure())
    times = [log.when(change(status), after=0)[0].at for status in ("pending", "open", "done", "open")]
    assert times == sorted(set(times))


REPEATS = [
    # resolved by, ms until the repeat, policy, then
    ([change("done")], HOUR, {}, [("TicketReopened", "resolved_within_window")]),
    ([change("done")], DAY - 1, {}, [("TicketReopened", "resolved_within_window")]),
    (
        [change("done")],
        DAY,
        {},
        [("ReopenWindowEnded", "reopen_window_passed"), ("TicketOpened", "reopen_window_passed")],
    ),
    ([change("done"), change("closed")], HOUR, {}, [("TicketOpened", "previous_closed")]),
    (
        [change("done")],
        HOUR,
        {"reopen_within_ms": None},
        [("ReopenWindowEnded", "reopen_window_passed"), ("TicketOpened", "policy_never_reopens")],
    ),
    ([change("done")], HOUR, {"sources": {"api": 2 * HOUR}}, [("TicketReopened", "resolved_within_window")]),
    (
        [change("done")],
        2 * HOUR,
        {"sources": {"api": HOUR}},
        [("ReopenWindowEnded", "reopen_window_passed"), ("TicketOpened", "reopen_window_passed")],
    ),
]


@pytest.mark.parametrize(("resolved_by", "after", "policy", "then"), REPEATS)
def test_W6_repeat_of_a_resolved_failure(
    resolved_by: list[Any], after: int, policy: dict[str, Any], then: list[tuple[str, str]]
) -> None:
    log = Log(TicketsPolicy(**policy)).given(failure(), *resolved_by)
    assert said(log.when(failure(), after=after)) == then


def test_W6_new_ticket_links_the_previous_one() -> None:
    log = Log().given(failure(), change("done"), change("closed"))
    (opened,) = log.when(failure())
    assert isinstance(opened, contract.TicketOpened)
    assert (opened.ticket_id, opened.previous_ticket_id, opened.episode) == (SECOND, FIRST, 2)


def test_W6_old_ticket_cannot_be_reopened_beside_a_newer_unresolved_one() -> None:
    log = Log(TicketsPolicy(reopen_within_ms=None)).given(failure(), change("done"), failure())
    (refused,) = log.when(change("open", FIRST))
    assert isinstance(refused, CommandRefused)
    assert (refused.reason, refused.open_ticket_id) == ("newer_episode_unresolved", SECOND)


def test_W6_repeat_counts_on_an_old_ticket_that_was_reopened_by_hand() -> None:
    log = Log(TicketsPolicy(reopen_within_ms=None)).given(failure(), change("done"), failure(), change("done", SECOND))
    log.when(change("open", FIRST))
    (counted,) = log.when(failure())
    assert isinstance(counted, contract.OccurrencesCounted)
    assert counted.ticket_id == FIRST


def test_W6_reopen_window_is_a_timer_and_ends_once() -> None:
    log = Log().given(failure(), change("done"))
    assert log.state is not None
    due = next_due(log.state, log.policy)
    assert due == log.now + DAY
    assert log.when(wake(), after=DAY - 1) == []
    assert said(log.when(wake(), after=1)) == [("ReopenWindowEnded", "reopen_window_passed")]
    assert log.when(wake()) == []
    assert next_due(log.state, log.policy) is None


def test_W8_only_resolved_tickets_are_hidden_and_a_second_time_changes_nothing() -> None:
    log = Log().given(failure())
    assert said(log.when(hide())) == [("CommandRefused", "unresolved")]
    log.given(change("done"))
    assert said(log.when(hide())) == [("TicketHidden", "resolved")]
    assert said(log.when(hide())) == [("CommandUnchanged", "already_hidden")]


@pytest.mark.parametrize("again", [failure(), change("open")])
def test_W8_reopening_unhides(again: Any) -> None:
    log = Log().given(failure(), change("done"), hide())
    log.when(again)
    assert log.state is not None
    assert not log.state.episodes[0].hidden


def test_forgotten_episodes_are_final_not_unknown() -> None:
    log = Log(TicketsPolicy(reopen_within_ms=None))
    for number in range(1, 41):
        log.given(failure(), change("done", f"{FIRST[:-2]}-{number}"))
    assert said(log.when(change("open", FIRST)))[-1] == ("CommandRefused", "final")
    assert log.state is not None
    assert len(log.state.episodes) == 32


def test_I1_a_success_resolves_what_had_failed_and_nothing_else() -> None:
    log = Log()
    assert log.when(success()) == []
    log.when(failure())
    assert log.when(success(occurred_at="2025-06-15T15:06:39.000Z")) == []  # it failed again since
    (resolved,) = log.when(success())
    assert isinstance(resolved, contract.StatusChanged)
    assert (resolved.status, resolved.actor, resolved.reason, resolved.cause.rule) == (
        "done",
        "github",
        "run 7 succeeded",
        "succeeded",
    )
    assert log.when(success()) == []
