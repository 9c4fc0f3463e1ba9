"""Lists, details, the dashboard and the report of SLAs against what plain Python finds in the same rows."""

from __future__ import annotations

import csv
import io
import itertools
import statistics
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.query_api import QueryApi, key_for, query_api
from tests.integration.test_projection_store import project, rows
from tests.integration.test_queries_tickets import Names, Share, everything, share
from tests.unit.projections.fact_log import FactLog
from tests.unit.projections.service_log import Served, ServiceLog, random_service_log
from tocsin.business_time import calendar_of
from tocsin.events.times import rfc3339, unix_ms
from tocsin.projections import checksum
from tocsin.sla_calendars import WeeklyHours

pytestmark = pytest.mark.embedded
__all__ = ["share"]  # a fixture

OFFICE = WeeklyHours.model_validate({"timezone": "Europe/Berlin", "hours": {"mon-fri": "09:00-17:00"}}).body()
RANGE = {"from": "2025-10-01T00:00:00Z", "to": "2025-11-01T00:00:00Z"}


@pytest.fixture
async def api(database: str) -> AsyncIterator[QueryApi]:
    async with query_api(database) as running:
        yield running


async def get(api: QueryApi, path: str, **parameters: Any) -> Any:
    answer = await api.http.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- lists ----------------------------------------------------------------------------------------------------------


async def test_every_filter_alone_and_with_others_finds_what_python_finds(
    api: QueryApi, database: str, share: Share
) -> None:
    await project(database, random_service_log(400, seed=5).records)
    service = ServiceLog(FactLog(partition=1))
    for number in range(12):
        assignee = ("", "ana", "bo")[number % 3]
        tier = ("default", "gold")[number % 2]
        service.registered(f"R-{number}", assignee=assignee, customer_tier=tier, tags=(f"team:{number % 2}", "eu"))
    await project(database, service.log.records)
    known = await everything(api)
    offered: dict[str, tuple[dict[str, str], Any]] = {
        "priority": ({"priority": "P1,low"}, lambda t: t["priority"] in {"critical", "low"}),
        "one priority": ({"priority": "high"}, lambda t: t["priority"] == "high"),
        "state": ({"sla_state": "breached,at_risk"}, lambda t: t["sla_state"] in {"breached", "at_risk"}),
        "paused": ({"sla_state": "paused"}, lambda t: t["sla_state"] == "paused"),
        "tier": ({"customer_tier": "Gold"}, lambda t: t["customer_tier"] == "gold"),
        "default tier": ({"customer_tier": "default,gold"}, lambda t: t["customer_tier"] in {"default", "gold"}),
        "assignee": ({"assignee": "ana"}, lambda t: t["assignee"] == "ana"),
        "nobody": ({"assignee": ""}, lambda t: t["assignee"] is None),
        "tag": ({"tag": "team:1"}, lambda t: "team:1" in t["tags"]),
        "level": ({"escalation_level_from": "2"}, lambda t: t["escalation_level"] >= 2),
        "level 0": ({"escalation_level_from": "0"}, lambda _: True),
        "status": ({"status": "to-do"}, lambda t: t["status"] in {"open", "in_progress", "pending"}),
        "source": ({"source": "report"}, lambda t: t["source"] == "report"),
    }
    seen: Counter[str] = Counter()
    combinations: list[Names] = [many for size in (1, 2, 3) for many in itertools.combinations(offered, size)]
    for names in share(combinations):
        parameters = {key: value for name in names for key, value in offered[name][0].items()}
        if len(parameters) < len(names):
            continue  # two values of one parameter
        wanted = [ticket for ticket in known if all(offered[name][1](ticket) for name in names)]
        ordered = sorted(wanted, key=lambda t: (t["next_due_at"] or "9999", t["id"]))
        page = await get(api, "/tickets", **parameters, sort="next_due_at", limit=9)
        assert [ticket["id"] for ticket in page["items"]] == [ticket["id"] for ticket in ordered[:9]], names
        assert page["total"] == len(wanted), names
        seen.update({name: bool(wanted) for name in names})
    assert all(seen[name] for name in offered), seen


async def test_cursors_lead_through_a_list_by_due_time_once(api: QueryApi, database: str) -> None:
    await project(database, random_service_log(300, seed=8).records)
    wanted = [ticket["id"] for ticket in await everything(api, sort="-next_due_at")]
    found: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = await get(api, "/tickets", sort="-next_due_at", limit=7, **more)
        found += [ticket["id"] for ticket in page["items"]]
        if page["next_cursor"] is None:
            break
        more = {"cursor": page["next_cursor"]}
    assert found == wanted


@pytest.mark.parametrize(
    ("path", "parameters", "field"),
    [
        ("/tickets", {"priority": "asap"}, "priority"),
        ("/tickets", {"sla_state": "late"}, "sla_state"),
        ("/tickets", {"customer_tier": "a b"}, "customer_tier.0"),
        ("/tickets", {"escalation_level_from": "-1"}, "escalation_level_from"),
        ("/dashboard", {"state": "late"}, "state"),
        ("/dashboard", {"limit": "101"}, "limit"),
        ("/dashboard", {"sort": "created_at"}, "sort"),
        ("/reports/sla", {"from": "2026-01-01"}, "from"),
        ("/reports/sla", {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ("/reports/sla", {"from": "2020-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ("/reports/sla", {"group_by": "team"}, "group_by"),
        ("/reports/sla", {"metric": "speed"}, "metric"),
    ],
)
async def test_a_wrong_parameter_is_named(api: QueryApi, path: str, parameters: dict[str, str], field: str) -> None:
    answer = await api.http.get(path, params=parameters)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text


# --- one ticket -----------------------------------------------------------------------------------------------------


async def test_S7_a_ticket_shows_its_history_alerts_clocks_and_messages(api: QueryApi, database: str) -> None:
    service = ServiceLog()
    one = service.registered("T-1", title="Checkout is down", tags=("team:payments",))
    service.started(one, "resolution", same_event=True)
    service.acknowledged(one)
    service.breached(one, "resolution", lateness_ms=12)
    service.escalated(one, same_event=True, remark="VIP")
    service.recorded(one, "T-1-n1", "failed")
    await project(database, service.log.records)
    found = await get(api, "/tickets/T-1")
    assert (found["title"], found["tags"], found["workflow"], found["escalation_level"], found["sla_state"]) == (
        "Checkout is down",
        ["team:payments"],
        None,
        1,
        "breached",
    )
    assert found["createdAt"] == found["created_at"] == "2025-10-09T07:53:20.000Z"
    assert [entry["kind"] for entry in found["history"]] == ["TicketRegistered", "TicketAcknowledged", "Escalated"]
    assert [(alert["kind"], alert["lateness_ms"]) for alert in found["alerts"]] == [("escalation", 0), ("breach", 12)]
    assert found["alerts"][0]["details"]["remark"] == "VIP"
    assert found["alerts"][1]["cause"]["rule"] == "due_passed"
    [message] = found["notifications"]
    assert (message["state"], message["attempts"], message["channel"], message["level"]) == ("failed", 2, "slack", 1)
    [clock] = found["clocks"]
    assert clock["breached"]
    assert clock["remaining_ms"] < 0
    assert (
        clock["elapsed_ms"]
        == clock["goal_ms"] - clock["remaining_ms"]
        == unix_ms(clock["as_of"]) - unix_ms(clock["started_at"])
    )


async def test_the_time_on_a_clock_is_that_of_its_calendar(api: QueryApi, database: str) -> None:
    service = ServiceLog()
    service.policy("v1", {"calendars": {"office": OFFICE}})
    one = service.registered("T-1")
    service.started(one, "resolution", calendar="office", policy_version="v1", target_ms=100 * 3_600_000)
    service.started(one, "first_response", calendar="gone", policy_version="v0", elapsed_ms=7)
    await project(database, service.log.records)
    clocks = {clock["metric"]: clock for clock in (await get(api, "/tickets/T-1"))["clocks"]}
    clock, office = clocks["resolution"], calendar_of(OFFICE)
    now = unix_ms(clock["as_of"])
    assert clock["elapsed_ms"] == office.between(unix_ms(clock["started_at"]), now)
    assert clock["within_calendar_hours"] == office.is_open(now)
    # of a calendar that is not known nothing is made up
    assert (clocks["first_response"]["elapsed_ms"], clocks["first_response"]["within_calendar_hours"]) == (7, None)


async def test_an_etag_stands_for_all_that_is_shown(api: QueryApi, database: str) -> None:
    service = ServiceLog()
    plain = service.registered("T-1")
    one = service.registered("T-2")
    service.started(one, "resolution")
    await project(database, service.log.records)
    etag = (await api.http.get("/tickets/T-1")).headers["etag"]
    assert etag == f'"{1}"'
    assert (await api.http.get("/tickets/T-1", headers={"if-none-match": etag})).status_code == 304
    running = (await api.http.get("/tickets/T-2")).headers["etag"]
    assert running.startswith('"3.')
    assert (await api.http.get("/tickets/T-2", headers={"if-none-match": running})).status_code == 200
    assert (await api.http.get("/tickets/T-2")).headers["etag"] != running
    service.stopped(one, "resolution")
    service.escalated(one, level=0)
    await project(database, service.log.records[-2:])
    ended = (await api.http.get("/tickets/T-2")).headers["etag"]
    assert (await api.http.get("/tickets/T-2", headers={"if-none-match": ended})).status_code == 304
    service.recorded(one, "T-2-n1")
    await project(database, service.log.records[-1:])
    told = await api.http.get("/tickets/T-2", headers={"if-none-match": ended})
    assert (told.status_code, told.headers["etag"].partition(".")[0]) == (200, ended.partition(".")[0])
    assert plain.ticket_id == "T-1"


async def test_a_ticket_of_another_workspace_is_not_there(database: str) -> None:
    service = ServiceLog()
    one = service.registered("T-1")
    service.started(one, "resolution")
    await project(database, service.log.records)
    key, row = key_for("other")
    async with query_api(database, row) as api:
        headers = {"x-api-key": key}
        assert (await api.http.get("/tickets/T-1", headers=headers)).status_code == 404
        dashboard = (await api.http.get("/dashboard", headers=headers)).json()
        assert (dashboard["total"], dashboard["at_risk"], sum(dashboard["counts"]["status"].values())) == (0, [], 0)
        assert (await api.http.get("/reports/sla", params=RANGE, headers=headers)).json()["items"] == []


# --- the dashboard --------------------------------------------------------------------------------------------------


async def test_S7_the_dashboard_counts_all_tickets_and_lists_those_at_risk(api: QueryApi, database: str) -> None:
    await project(database, random_service_log(400, seed=13).records)
    known = await everything(api)
    found = await get(api, "/dashboard", limit=5)
    assert [ticket["id"] for ticket in found["items"]] == [ticket["id"] for ticket in known[:5]]
    assert (found["total"], found["limit"], found["offset"]) == (len(known), 5, 0)
    for name in ("status", "priority", "sla_state"):
        by_hand = Counter(ticket[name] for ticket in known)
        assert found["counts"][name] == {value: by_hand[value] for value in found["counts"][name]}, name
    assert set(found["counts"]["sla_state"]) == {"on_track", "at_risk", "breached", "paused"}
    near = [t for t in known if t["sla_state"] == "at_risk" and t["status"] in {"open", "in_progress", "pending"}]
    assert near
    near.sort(key=lambda t: (t["next_due_at"] or "9999", t["id"]))
    assert [ticket["id"] for ticket in found["at_risk"]] == [ticket["id"] for ticket in near[:50]]


@pytest.mark.parametrize(
    ("state", "holds"),
    [
        ("breached", lambda t: t["sla_state"] == "breached"),
        ("open,pending", lambda t: t["status"] in {"open", "pending"}),
        (
            "to-do,breached",
            lambda t: t["status"] in {"open", "in_progress", "pending"} and t["sla_state"] == "breached",
        ),
    ],
)
async def test_a_state_of_the_dashboard_is_a_status_or_an_sla_state(
    api: QueryApi, database: str, state: str, holds: Any
) -> None:
    await project(database, random_service_log(400, seed=17).records)
    wanted = [ticket["id"] for ticket in await everything(api) if holds(ticket)]
    found = await get(api, "/dashboard", state=state, offset=1, limit=3)
    assert ([ticket["id"] for ticket in found["items"]], found["total"]) == (wanted[1:4], len(wanted))
    assert len(wanted) > 1


# --- the report -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [{}, {"metric": "resolution"}])
@pytest.mark.parametrize("group_by", ["metric", "priority", "tier", "workflow"])
async def test_S11_the_report_adds_up_what_the_clocks_say(
    api: QueryApi, database: str, group_by: str, metric: dict[str, str]
) -> None:
    await project(database, random_service_log(500, seed=23).records)
    column = {"tier": "customer_tier"}.get(group_by, group_by)
    found = await get(api, "/reports/sla", group_by=group_by, **metric, **RANGE)
    groups: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for clock in await rows(database, "SELECT * FROM read_model.sla_clocks"):
        if clock["metric"] == metric.get("metric", clock["metric"]):
            groups[clock["metric"], clock[column]].append(clock)
    wanted = {}
    for group, clocks in groups.items():
        missed = sum(1 for clock in clocks if clock["breached_at"])
        overdue = sum(1 for clock in clocks if clock["stage"] == "in_progress" and not clock["breached_at"])
        ended = [clock for clock in clocks if clock["stage"] == "completed"]
        met = sum(1 for clock in ended if not clock["breached_at"])
        walls = [(clock["stopped_at"] - clock["started_at"]) / timedelta(milliseconds=1) for clock in ended]
        if missed or overdue or ended:
            business = [clock["elapsed_ms"] for clock in ended]
            medians = [round(statistics.median(of or [-1])) for of in (business, walls)]
            wanted[group] = (met, missed + overdue, overdue, len(ended), *medians)
    told = {
        (row["metric"], row[column]): (
            *(row["met"], row["breached"], row["overdue"], row["ended"]),
            *(-1 if row[name] is None else row[name] for name in ("business_p50_ms", "wall_p50_ms")),
        )
        for row in found["items"]
    }
    assert told == wanted
    for row in found["items"]:
        attained = 100 * row["met"] / (row["met"] + row["breached"])
        assert row["attainment_percent"] == round(attained, 2)
    assert found["from"] == "2025-10-01T00:00:00.000Z"


async def test_what_is_overdue_and_not_noticed_counts_as_breached(api: QueryApi, database: str) -> None:
    service = ServiceLog()
    now = datetime.now(UTC)
    past = rfc3339(int((now - timedelta(hours=1)).timestamp() * 1000))
    ahead = rfc3339(int((now + timedelta(hours=1)).timestamp() * 1000))
    service.started(service.registered("T-1"), "resolution", due_at=past)
    service.started(service.registered("T-2"), "resolution", due_at=ahead)
    await project(database, service.log.records)
    # also where the range goes on into the future
    until = (now + timedelta(days=1)).isoformat()
    [row] = (await get(api, "/reports/sla", to=until))["items"]
    assert (row["met"], row["breached"], row["overdue"], row["attainment_percent"]) == (0, 1, 1, 0)
    [clock] = (await get(api, "/tickets/T-1"))["clocks"]
    assert (clock["breached"], clock["breached_at"]) == (True, None)


async def test_a_breach_stays_in_the_report_when_its_goal_is_taken_away(api: QueryApi, database: str) -> None:
    service = ServiceLog()
    one = service.registered("T-1")
    service.started(one, "resolution")
    service.breached(one, "resolution")
    service.stopped(one, "resolution")
    await project(database, service.log.records)
    [row] = (await get(api, "/reports/sla", **RANGE))["items"]
    assert (row["met"], row["breached"], row["ended"]) == (0, 1, 1)


@pytest.mark.parametrize(
    ("headers", "parameters"), [({"accept": "text/csv"}, {}), ({"accept": "application/json"}, {"format": "csv"})]
)
async def test_the_report_is_a_spreadsheet_that_runs_nothing(
    api: QueryApi, database: str, headers: dict[str, str], parameters: dict[str, str]
) -> None:
    service = ServiceLog()
    one = Served(service.log.opened("=cmd|' /C calc'!A0", "run"))
    service.started(one, "resolution")
    service.stopped(one, "resolution")
    await project(database, service.log.records)
    answer = await api.http.get("/reports/sla", params={**RANGE, "group_by": "workflow", **parameters}, headers=headers)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["workflow"], row["met"], row["attainment_percent"]) == ("'=cmd|' /C calc'!A0", "1", "100.0")


# --- the policy, counters, rebuild ----------------------------------------------------------------------------------


async def test_the_policy_that_governs_is_shown(api: QueryApi, database: str) -> None:
    assert await get(api, "/sla/policy") == {"active": None, "in_step": True, "activations": []}
    first, second = ServiceLog(FactLog(partition=0)), ServiceLog(FactLog(partition=1))
    first.policy("v1", {"calendars": {}, "warn_at": [75]})
    first.policy("v2", {"calendars": {}, "warn_at": [90]})
    second.policy("v1", {"calendars": {}, "warn_at": [75]})
    await project(database, first.log.records)
    await project(database, second.log.records)
    found = await get(api, "/sla/policy")
    assert (found["active"]["policy_version"], found["active"]["body"]["warn_at"]) == ("v2", [90])
    assert not found["in_step"]
    assert [(one["partition"], one["policy_version"]) for one in found["activations"]] == [
        (0, "v2"),
        (0, "v1"),
        (1, "v1"),
    ]
    second.policy("v2", {"calendars": {}, "warn_at": [90]})
    await project(database, second.log.records[-1:])
    assert (await get(api, "/sla/policy"))["in_step"]


async def test_metrics_tell_breaches_lateness_and_open_tickets(api: QueryApi, database: str) -> None:
    service = ServiceLog()
    one = service.registered("T-1")
    service.started(one, "resolution")
    service.breached(one, "resolution", lateness_ms=600)
    service.escalated(one, same_event=True)
    service.registered("T-2")
    await project(database, service.log.records)
    text = (await api.http.get("/metrics")).text
    for line in (
        'tocsin_sla_breaches_total{metric="resolution",priority="high"} 1.0',
        'tocsin_sla_escalations_total{reason="breach"} 1.0',
        'tocsin_sla_notifications_total{result="requested"} 1.0',
        'tocsin_sla_lateness_seconds_bucket{le="0.5"} 0.0',
        'tocsin_sla_lateness_seconds_bucket{le="1"} 1.0',
        'tocsin_open_tickets{sla_state="breached"} 1.0',
        'tocsin_open_tickets{sla_state="none"} 1.0',
        "tocsin_tickets_reported_total 2.0",
    ):
        assert line in text, line


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_the_read_models_do_not_depend_on_where_batches_end(database: str, size: int) -> None:
    log = random_service_log(150, seed=size)
    await project(database, log.records)
    whole = await checksum.read(database)
    await rows(database, f"TRUNCATE {', '.join(f'read_model.{table.name}' for table in checksum.TABLES)}")
    await project(database, log.records, size)
    assert await checksum.read(database) == whole
