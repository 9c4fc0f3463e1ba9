"""The SLA policy file: what it says becomes the body decisions read; what is wrong is told by its path (S6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tocsin.events.vocabulary import Priority
from tocsin.policies import PolicyError, version_of
from tocsin.sla_policy import read_sla_policy
from tocsin.streams.domain.ticket_policy import SLA, policy_of

PACKAGED = Path(__file__).parents[2] / "deploy" / "sla.yaml"
TARGETS = "targets: {resolution: {default: {high: 1h}}}\n"


def read(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "sla.yaml"
    path.write_text(text)
    return read_sla_policy(path)


def test_S6_the_packaged_file_is_a_policy_that_decisions_read() -> None:
    rules = policy_of({SLA: read_sla_policy(PACKAGED)}).sla
    assert rules is not None
    goal = rules.goals_of("premium", "critical", "api")["first_response"]
    assert (goal.target_ms, goal.calendar) == (300_000, "24x7")
    assert rules.ladder("resolution", "unheard-of", "low") is not None


def test_S6_equal_policies_have_one_version_however_they_are_written(tmp_path: Path) -> None:
    one = read(tmp_path, TARGETS + "warn_at: [90, 75]\n")
    other = read(tmp_path, "warn_at: [75, 90, 75]\ntargets:\n  resolution:\n    default:\n      high: 60m\n")
    assert version_of(one) == version_of(other)


def test_S11_a_tier_has_the_goals_of_default_where_it_says_nothing(tmp_path: Path) -> None:
    text = "targets: {resolution: {default: {high: 1h, low: 1d}, gold: {high: 30m, low: never}}}\n"
    rules = policy_of({SLA: read(tmp_path, text)}).sla
    assert rules is not None
    asked: list[tuple[str, Priority]] = [("gold", "high"), ("gold", "low"), ("gold", "medium"), ("other", "low")]
    found = [rules.goals_of(tier, priority, "api").get("resolution") for tier, priority in asked]
    assert [goal and goal.target_ms // 60_000 for goal in found] == [30, None, None, 1440]


def test_S11_a_tier_of_one_metric_is_default_in_the_other(tmp_path: Path) -> None:
    text = "targets: {first_response: {default: {high: 1h}, gold: {high: 5m}}, resolution: {default: {high: 8h}}}\n"
    rules = policy_of({SLA: read(tmp_path, text)}).sla
    assert rules is not None
    goal = rules.goals_of("gold", "high", "api")["resolution"]
    assert goal.target_ms == 8 * 3_600_000


HOURS = [
    # hours, the minutes of Monday, Tuesday, Saturday, Sunday
    ("{mon-fri: '09:00-17:00'}", [[540, 1020]], [[540, 1020]], [], []),
    ("{daily: ['08:00-12:00', '13:00-17:00']}", [[480, 720], [780, 1020]], [[480, 720], [780, 1020]], None, None),
    ("{'sat, sun': '22:00-06:00'}", [[0, 360]], [], [[1320, 1440]], [[0, 360], [1320, 1440]]),
    ("{fri-mon: '00:00-24:00'}", [[0, 1440]], [], [[0, 1440]], [[0, 1440]]),
    ("{mon: ['09:00-12:00', '12:00-17:00']}", [[540, 1020]], [], [], []),
]


@pytest.mark.parametrize(("hours", "monday", "tuesday", "saturday", "sunday"), HOURS)
def test_S11_hours_are_minutes_of_local_days(
    tmp_path: Path, hours: str, monday: Any, tuesday: Any, saturday: Any, sunday: Any
) -> None:
    text = TARGETS + f"calendars: {{office: {{timezone: UTC, hours: {hours}}}}}\n"
    week = [[list(one) for one in day] for day in read(tmp_path, text)["calendars"]["office"]["week"]]
    expected = [monday, tuesday, monday if saturday is None else saturday, monday if sunday is None else sunday]
    assert [week[0], week[1], week[5], week[6]] == expected


def test_S11_holidays_are_days_or_parts_of_days(tmp_path: Path) -> None:
    days = "[2026-12-25, '2026-12-24 12:00-24:00', '2026-12-24 11:00-13:00']"
    calendar = f"calendars: {{office: {{timezone: UTC, hours: {{daily: '09:00-17:00'}}, holidays: {days}}}}}\n"
    body = read(tmp_path, TARGETS + calendar)["calendars"]["office"]
    assert body["holidays"] == {"2026-12-24": [(660, 1440)], "2026-12-25": [(0, 1440)]}


LADDERS = [
    ("steps: [{after: 0m}]", 1),
    ("steps: [{after: 5m}]", 2),
    ("steps: [{after: 0m}, {after: 5m}, {after: 5m}]", 3),
    ("steps: [{after: 0m}, {after: 5m}], max_level: 9", 9),
]


@pytest.mark.parametrize(("ladder", "level"), LADDERS)
def test_S4_the_highest_level_of_a_ladder(tmp_path: Path, ladder: str, level: int) -> None:
    body = read(tmp_path, TARGETS + f"ladders: {{one: {{{ladder}}}}}\n")
    assert body["ladders"]["one"]["max_level"] == level


BROKEN = [
    # what is written, what is said
    ("", "targets: Field required"),
    ("targets: {}", "targets: "),
    ("targets: {resolution: {gold: {high: 1h}}}", "targets.resolution: the tier default is missing"),
    ("targets: {response: {default: {high: 1h}}}", "targets.response"),
    ("targets: {resolution: {default: {high: soon}}}", "targets.resolution.default.high: must be a duration"),
    ("targets: {resolution: {default: {high: 999d}}}", "targets.resolution.default.high: a target lasts"),
    ("targets: {resolution: {default: {calendar: x, high: 1h}}}", "default.calendar: there is no calendar x"),
    (TARGETS + "calendar: x", "there is no calendar x"),
    (TARGETS + "calendars: {24x7: {timezone: UTC, hours: {mon: '09:00-17:00'}}}", "the name 24x7 is taken"),
    (TARGETS + "calendars: {a: {timezone: Mars, hours: {mon: '09:00-17:00'}}}", "calendars.a.timezone: 'Mars' is not"),
    (TARGETS + "calendars: {a: {timezone: UTC, hours: {mon: '9-17'}}}", "'9-17' is no interval"),
    (TARGETS + "calendars: {a: {timezone: UTC, hours: {mon: '25:00-26:00'}}}", "is no time of day"),
    (TARGETS + "calendars: {a: {timezone: UTC, hours: {mon: ['09:00-12:00', '11:00-13:00']}}}", "monday overlap"),
    (TARGETS + "calendars: {a: {timezone: UTC, hours: {someday: '09:00-17:00'}}}", "names no days"),
    (TARGETS + "calendars: {a: {timezone: UTC, hours: {mon: '09:00-17:00'}, holidays: [Easter]}}", "is no holiday"),
    (
        "targets: {resolution: {default: {calendar: a, high: 300d}}}\n"
        "calendars: {a: {timezone: UTC, hours: {mon: '09:00-09:10'}}}",
        "takes over ten years of calendar a",
    ),
    (TARGETS + "pause_on: [done]", "clocks pause in unresolved statuses only"),
    (TARGETS + "warn_at: [120]", "warn_at.0"),
    (TARGETS + "on_reload: maybe", "on_reload"),
    (TARGETS + "escalation: [{ladder: x}]", "escalation.0.ladder: there is no ladder x"),
    (TARGETS + "ladders: {a: {steps: [{channels: x}]}}", "ladders.a.steps.0.channels: there is no channel x"),
    (TARGETS + "ladders: {a: {steps: [{after: 0m}], repeat: 2}}", "needs a step with some delay"),
    (TARGETS + "ladders: {a: {steps: []}}", "ladders.a.steps"),
    (TARGETS + "ladders: {a: {steps: [{after: never}]}}", "ladders.a.steps.0.after: must be a duration"),
    (TARGETS + "ladders: {a: {steps: [{}], ack_timeout: 1s}}", "ladders.a.ack_timeout: must be from 1m"),
    (TARGETS + "ladders: {a: {steps: [{}], support_hours: {calendar: x}}}", "there is no calendar x"),
    (TARGETS + "channels: {a: {kind: webhook}}\ndefault_channel: a", "channels.a: a webhook needs a url"),
    (TARGETS + "channels: {a: {url: 'ftp://x'}}\ndefault_channel: a", "channels.a.url: The scheme is http or https"),
    (TARGETS + "channels: {team: {}}\ndefault_channel: team", "the name team is taken"),
    (TARGETS + "default_channel: x", "default_channel: there is no channel x"),
    (TARGETS + "routes: [{tags: a, channel: x}]", "routes.0.channel: there is no channel x"),
    (TARGETS + "channels: {a: {webhook: Pay!}}\ndefault_channel: a", "channels.a.webhook: 'Pay!' is no name"),
    (TARGETS + "channels: {a: {kind: webhook, url: 'https://a.example', webhook: b}}", "it goes with no url"),
    (TARGETS + "quiet: 1", "quiet: Extra inputs"),
]


@pytest.mark.parametrize(("text", "said"), BROKEN)
def test_S6_what_is_wrong_is_told_by_its_path(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read(tmp_path, text)
    assert said in str(refused.value)


def test_S6_the_url_of_a_channel_is_in_no_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as refused:
        read(tmp_path, TARGETS + "channels: {a: {url: 'https://user:hunter2@a.example'}}\ndefault_channel: b\n")
    assert "hunter2" not in str(refused.value)


QUIET_ALWAYS = "{timezone: UTC, hours: {daily: '00:00-24:00'}}"


def test_S12_a_channel_cannot_be_quiet_for_ever(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="quiet all week"):
        read(tmp_path, TARGETS + f"channels: {{slack: {{quiet_hours: {QUIET_ALWAYS}}}}}\n")
