"""Lists and details of tickets against what plain Python finds in the same rows."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from tests.integration.query_api import QueryApi, key_for, query_api
from tests.integration.test_projection_store import project, rows
from tests.unit.projections.fact_log import FactLog, random_log
from tocsin.api.queries import ticket_totals, tickets

pytestmark = pytest.mark.embedded

UNRESOLVED = {"open", "in_progress", "pending"}
RANKS = {"critical": 4, "error": 3, "warning": 2, "info": 1}


@pytest.fixture
async def api(database: str) -> AsyncIterator[QueryApi]:
    async with query_api(database) as running:
        yield running


async def everything(api: QueryApi, **parameters: Any) -> list[dict[str, Any]]:
    """All tickets of the workspace, page by page, newest first."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await api.http.get("/tickets", params={"limit": 100, "offset": len(found), **parameters})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if len(found) >= page["total"]:
            return found


def words(ticket: dict[str, Any]) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", f"{ticket['workflow']} {ticket['identifier']} {ticket['message']}".lower()))


def filters(known: list[dict[str, Any]]) -> dict[str, tuple[dict[str, str], Any]]:
    """Each filter as parameters and as the condition it stands for."""
    times = sorted(ticket["created_at"] for ticket in known)
    updates = sorted(ticket["updated_at"] for ticket in known)
    low, high = times[len(times) // 4], times[3 * len(times) // 4]
    updated_low, updated_high = updates[len(updates) // 4], updates[3 * len(updates) // 4]
    one = known[len(known) // 2]
    return {
        "status": ({"status": "open,done"}, lambda t: t["status"] in {"open", "done"}),
        "to-do": ({"status": "to-do"}, lambda t: t["status"] in UNRESOLVED),
        "severity": ({"severity": "P1,warning"}, lambda t: t["severity"] in {"critical", "warning"}),
        "workflow": ({"workflow": "workflow-1"}, lambda t: t["workflow"] == "workflow-1"),
        "identifier": ({"identifier": one["identifier"]}, lambda t: t["identifier"] == one["identifier"]),
        "source": ({"source": "github"}, lambda t: t["source"] == "github"),
        "q": ({"q": "Step 1"}, lambda t: {"step", "1"} <= words(t)),
        "prefix": ({"q": "fail*"}, lambda t: any(word.startswith("fail") for word in words(t))),
        "created_from": ({"created_from": low}, lambda t: t["created_at"] >= low),
        "created_to": ({"created_to": high}, lambda t: t["created_at"] < high),
        "updated_from": ({"updated_from": updated_low}, lambda t: t["updated_at"] >= updated_low),
        "updated_to": ({"updated_to": updated_high}, lambda t: t["updated_at"] < updated_high),
        "include_hidden": ({"include_hidden": "true"}, lambda _: True),
    }


SORTS: dict[str, Any] = {
    "created_at": lambda t: (t["created_at"], t["id"]),
    "updated_at": lambda t: (t["updated_at"], t["id"]),
    "severity": lambda t: (RANKS[t["severity"]], t["id"]),
}


WAYS = ("as it is", "every list is short", "every list is long")
Names = tuple[str, ...]
Share = Callable[[Sequence[Names]], Sequence[Names]]


@pytest.fixture(params=WAYS)
def share(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, long: bool) -> Share:
    """How a list is found depends on how many tickets there are; what is found does not. Of combinations of filters
    those to be tried in this way: every third, with all rounds every one.
    """
    first = WAYS.index(request.param)
    if request.param != "as it is":
        short = request.param == "every list is short"
        monkeypatch.setattr(tickets, "_is_short", lambda *_: short)
        monkeypatch.setattr(ticket_totals, "HAVING_WORDS", 5_000 if short else 1)
    return lambda combinations: combinations if long else combinations[first::3]


def check_total(answer: httpx.Response, wanted: int, what: object) -> None:
    """Exactly, or said to be less."""
    page = answer.json()
    if page.get("total_exact", True):
        assert page["total"] == wanted == int(answer.headers["x-total-count"]), what
    else:
        assert page["total"] < wanted, what
        assert "x-total-count" not in answer.headers, what


async def test_every_filter_alone_and_in_pairs_finds_what_python_finds(
    api: QueryApi, database: str, share: Share
) -> None:
    await project(database, random_log(600, seed=11).records)
    # another workspace never shows
    await project(database, random_log(50, seed=12, workspace="other", partition=1).records)
    known = await everything(api, include_hidden="true")
    assert {ticket["workspace"] for ticket in known} == {"default"}
    assert any(ticket["hidden"] for ticket in known)
    offered = filters(known)
    combinations: list[Names] = [*((name,) for name in offered), *itertools.combinations(offered, 2)]
    for nth, names in enumerate(share(combinations)):
        parameters = {key: value for name in names for key, value in offered[name][0].items()}
        if len(parameters) < len(names):
            continue  # two values of one parameter
        sort = list(SORTS)[nth % 3]
        wanted = [
            ticket
            for ticket in sorted(known, key=SORTS[sort], reverse=nth % 2 == 0)
            if all(offered[name][1](ticket) for name in names) and ("include_hidden" in names or not ticket["hidden"])
        ]
        answer = await api.http.get("/tickets", params={**parameters, "sort": "-" * (nth % 2 == 0) + sort, "limit": 7})
        page = answer.json()
        assert answer.status_code == 200, (names, answer.text)
        assert [ticket["id"] for ticket in page["items"]] == [ticket["id"] for ticket in wanted[:7]], (names, sort)
        check_total(answer, len(wanted), names)


async def test_a_search_that_finds_many_says_that_not_all_were_counted(
    api: QueryApi, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = FactLog()
    for number in range(30):
        log.opened("deploy" if number % 3 else "build", f"run-{number}")
    await project(database, log.records)
    monkeypatch.setattr(ticket_totals, "HAVING_WORDS", 12)
    monkeypatch.setattr(ticket_totals, "MATCHING", 7)
    for parameters, total, exact in (
        ({"q": "run"}, 12, False),
        ({"q": "run", "status": "open"}, 7, False),
        ({"q": "run", "status": "done"}, 0, True),
        ({"q": "build"}, 10, True),
        ({"q": "build", "status": "open"}, 7, False),
        ({"q": "deploy", "workflow": "deploy", "identifier": "run-7"}, 1, True),
        ({"q": "run 7"}, 1, True),
        ({"q": "nowhere"}, 0, True),
    ):
        answer = await api.http.get("/tickets", params={**parameters, "limit": 3})
        page = answer.json()
        assert (page["total"], page.get("total_exact", True)) == (total, exact), parameters
        assert answer.headers.get("x-total-count") == (str(total) if exact else None), parameters
        # the pages go on past what was counted
        found = [ticket["id"] for ticket in page["items"]]
        while page["next_cursor"]:
            page = (await api.http.get("/tickets", params={**parameters, "cursor": page["next_cursor"]})).json()
            found += [ticket["id"] for ticket in page["items"]]
        assert len(set(found)) == len(found) >= total, parameters
        assert exact == (len(found) == total), parameters


@pytest.mark.usefixtures("share")
@pytest.mark.parametrize("sort", ["created_at", "-created_at", "updated_at", "-updated_at", "severity", "-severity"])
async def test_cursors_and_offsets_lead_through_the_whole_list_once(api: QueryApi, database: str, sort: str) -> None:
    await project(database, random_log(300, seed=21).records)
    wanted = [ticket["id"] for ticket in await everything(api, sort=sort)]
    found: list[str] = []
    url: str | None = f"/tickets?sort={sort}&limit=5"
    answer = await api.http.get(f"/tickets?sort={sort}&limit=5")
    while True:
        page = answer.json()
        assert page["total"] == len(wanted)
        found += [ticket["id"] for ticket in page["items"]]
        if page["next_cursor"] is None:
            break
        answer = await api.http.get("/tickets", params={"sort": sort, "limit": 5, "cursor": page["next_cursor"]})
    assert found == wanted
    linked: list[str] = []
    while url is not None:
        answer = await api.http.get(url)
        linked += [ticket["id"] for ticket in answer.json()["items"]]
        match = re.search(r'<([^>]+)>; rel="next"', answer.headers["link"])
        url = match.group(1) if match else None
    assert linked == wanted


@pytest.mark.parametrize(
    ("parameters", "field", "code"),
    [
        ({"staus": "open"}, "staus", "extra_forbidden"),
        ({"status": "opne"}, "status", "unknown_status"),
        ({"severity": "loud"}, "severity", "unknown_severity"),
        ({"limit": "101"}, "limit", "less_than_equal"),
        ({"limit": "0"}, "limit", "greater_than_equal"),
        ({"limit": "many"}, "limit", "int_parsing"),
        ({"offset": "-1"}, "offset", "greater_than_equal"),
        ({"created_from": "2026-01-01T00:00:00"}, "created_from", "offset_missing"),
        ({"updated_to": "2026-01-01"}, "updated_to", "date_time"),
        ({"created_to": "1760000000"}, "created_to", "date_time"),
        ({"sort": "message"}, "sort", "literal_error"),
        ({"shape": "tree"}, "shape", "literal_error"),
        ({"q": "---"}, "q", "no_word"),
        ({"workflow": "a\x00b"}, "workflow", "string_pattern_mismatch"),
        ({"cursor": "nonsense"}, "cursor", "bad_cursor"),
        ({"cursor": "WyJjcmVhdGVkX2F0Il0"}, "cursor", "bad_cursor"),
    ],
)
async def test_a_wrong_parameter_is_named(api: QueryApi, parameters: dict[str, str], field: str, code: str) -> None:
    answer = await api.http.get("/tickets", params=parameters)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]


async def test_an_offset_whose_plus_was_not_escaped_is_understood(api: QueryApi, database: str) -> None:
    log = FactLog()
    log.opened()
    await project(database, log.records)
    since = (datetime.fromisoformat(log.at) - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S")
    answer = await api.http.get(f"/tickets?created_from={since}+00:00")
    assert answer.json()["total"] == 1


async def test_a_bare_array_and_an_empty_list(api: QueryApi, database: str) -> None:
    empty = await api.http.get("/tickets")
    assert empty.json() == {"items": [], "total": 0, "limit": 50, "offset": 0, "next_cursor": None}
    log = FactLog()
    log.opened()
    await project(database, log.records)
    answer = await api.http.get("/tickets", params={"shape": "array"})
    assert [ticket["identifier"] for ticket in answer.json()] == ["run-1"]
    assert (await api.http.get("/tickets", params={"offset": 10})).json()["total"] == 1


async def test_a_ticket_shows_its_history_its_hours_and_its_context_verbatim(api: QueryApi, database: str) -> None:
    log = FactLog()
    ticket = log.opened(context=msgspec.Raw(b'{"big":12345678901234567890123,"nul":"\\u0000"}'))
    log.counted(ticket, 3, 4, context=msgspec.Raw(b'{"big":12345678901234567890123,"nul":"\\u0000"}'))
    log.changed(ticket, "done", reason="fixed")
    await project(database, log.records)
    answer = await api.http.get(f"/tickets/{ticket.ticket_id}")
    assert '"context":{"big":12345678901234567890123,"nul":"\\u0000"}' in answer.text
    shown = answer.json()
    assert [entry["kind"] for entry in shown["history"]] == ["TicketOpened", "StatusChanged"]
    assert shown["history"][1]["cause"]["rule"] == "legal_move"
    assert [(one["occurrences"], one["deliveries"]) for one in shown["occurrences_by_hour"]] == [(4, 5)]
    assert shown["updatedAt"] == shown["updated_at"] == log.at
    assert answer.headers["etag"] == f'"{log.version}"'
    same = await api.http.get(f"/tickets/{ticket.ticket_id}", headers={"if-none-match": f'"x", W/"{log.version}"'})
    assert (same.status_code, same.content) == (304, b"")


async def test_a_large_context_is_in_the_ticket_and_not_in_the_list(api: QueryApi, database: str) -> None:
    log = FactLog()
    body = {"trace": "x" * 9000}
    digest = log.payload(body)
    ticket = log.opened(context_digest=digest)
    await project(database, [record for record in log.records if record.topic != "tocsin.payloads.v1"])
    early = await api.http.get(f"/tickets/{ticket.ticket_id}")
    assert (early.json()["context"], early.headers.get("etag")) == (None, None)
    await project(database, [record for record in log.records if record.topic == "tocsin.payloads.v1"])
    listed = (await api.http.get("/tickets")).json()["items"][0]
    assert (listed["context"], listed["context_digest"]) == (None, digest)
    assert (await api.http.get(f"/tickets/{ticket.ticket_id}")).json()["context"] == body


async def test_nobody_sees_another_workspace(database: str) -> None:
    key, row = key_for("other")
    log = FactLog()
    ticket = log.opened()
    await project(database, log.records)
    async with query_api(database, row) as api:
        for path in (f"/tickets/{ticket.ticket_id}", "/commands/e1"):
            assert (await api.http.get(path, headers={"x-api-key": key})).status_code == 404
        assert (await api.http.get("/tickets", headers={"x-api-key": key})).json()["total"] == 0
        assert (await api.http.get("/tickets/%00")).status_code == 404


async def test_a_key_without_the_scope_is_refused(database: str) -> None:
    key, row = key_for("default", "ingest")
    async with query_api(database, row) as api:
        answer = await api.http.get("/tickets", headers={"x-api-key": key})
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")


async def test_the_database_being_away_is_503_with_retry_after() -> None:
    async with query_api("postgresql://postgres:@/none?host=/nonexistent") as api:
        for path in ("/tickets", "/tickets/x", "/commands/x"):
            answer = await api.http.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2"), path
        assert (await api.http.get("/health/live")).status_code == 200
        health = await api.http.get("/health")
        assert (health.status_code, health.json()["failing"]) == (500, ["postgres"])
        ready = await api.http.get("/health/ready")
        assert (ready.status_code, ready.json()["failing"]) == (503, ["postgres"])


async def test_a_query_that_takes_too_long_is_503(api: QueryApi, database: str) -> None:
    log = FactLog()
    log.opened()
    await project(database, log.records)
    import asyncpg

    connection = await asyncpg.connect(database)
    async with connection.transaction():
        await connection.execute("LOCK TABLE read_model.tickets IN ACCESS EXCLUSIVE MODE")
        answer = await api.http.get("/tickets")
    await connection.close()
    assert (answer.status_code, answer.json()["detail"]) == (503, "The query took too long; narrow it down")
    assert (await api.http.get("/tickets")).status_code == 200


async def test_health_names_what_was_checked(api: QueryApi) -> None:
    answer = await api.http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": {"postgres": "ok"}})


async def test_metrics_have_the_projected_counters(api: QueryApi, database: str) -> None:
    assert "tocsin_tickets_opened_total 0.0" in (await api.http.get("/metrics")).text
    log = FactLog()
    log.counted(log.opened(), 3)
    await project(database, log.records)
    text = (await api.http.get("/metrics")).text
    assert "tocsin_tickets_opened_total 1.0" in text
    assert "tocsin_occurrences_counted_total 4.0" in text
    assert 'tocsin_decisions_total{domain="tickets",fact="TicketOpened",reason="new_identity"} 1.0' in text


async def test_the_kept_counts_are_the_counted_ones(api: QueryApi, database: str) -> None:
    await project(database, random_log(400, seed=31).records, 17)
    counted = await rows(database, "SELECT count(*) FROM read_model.tickets WHERE NOT hidden AND workspace = 'default'")
    assert (await api.http.get("/tickets", params={"limit": 1})).json()["total"] == counted[0]["count"]


async def test_the_document_describes_every_answer(api: QueryApi) -> None:
    document = api.app.openapi()
    for path in ("/tickets", "/tickets/{ticket_id}", "/commands/{event_id}"):
        operation = document["paths"][path]["get"]
        assert operation["operationId"]
        assert "application/problem+json" in operation["responses"]["503"]["content"]
    json.dumps(document)
