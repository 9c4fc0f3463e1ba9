"""I2: the file of classification and grouping rules: what it may say, and that the packaged one is the default."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tocsin.grouping_policy import read_grouping_policy
from tocsin.policies import PolicyError
from tocsin.streams.domain.alert_policy import AlertsPolicy, policy_of

ROOT = Path(__file__).parents[2]

FILE = """
resolve_after: 7d
sources: {sentry: {resolve_after: never}}
flapping: {transitions: 0, within: 1h}
classification:
  - name: by-tag
    match: {"tag:env": [prod, production]}
    unless: {source: github}
    set: {environment: prod, severity: "{tag:level}"}
    override: true
services: {checkout: shop}
grouping:
  - name: hosts
    match: {"tag:host": "?*"}
    group_by: ["tag:host"]
    threshold: 3
    window: 10m
    auto_resolve: first
    reopen_within: never
    title: "{tag:host} is ill"
  - name: rest
    incident: false
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "grouping.yaml"
    path.write_text(text)
    return path


def test_I2_the_packaged_file_and_an_empty_one_are_the_default(tmp_path: Path) -> None:
    for path in (ROOT / "deploy" / "grouping.yaml", written(tmp_path, "")):
        assert policy_of(read_grouping_policy(path)) == AlertsPolicy()


def test_I2_everything_the_file_says_reaches_the_decisions(tmp_path: Path) -> None:
    body = read_grouping_policy(written(tmp_path, FILE))
    policy = policy_of(msgspec.json.decode(msgspec.json.encode(body)))
    assert (policy.resolve_after("sentry"), policy.resolve_after("datadog")) == (None, 7 * 86_400_000)
    assert (policy.flapping.transitions, policy.flapping.within_ms) == (0, 3_600_000)
    (rule,) = policy.classification
    assert rule.override
    assert rule.assign == {"environment": "prod", "severity": "{tag:level}"}
    assert [(one.field, one.values, one.negated) for one in rule.match] == [
        ("tag:env", ("prod", "production"), False),
        ("source", ("github",), True),
    ]
    hosts, rest = policy.grouping
    assert (hosts.group_by, hosts.threshold, hosts.window_ms, hosts.auto_resolve) == (
        ("tag:host",),
        3,
        600_000,
        "first",
    )
    assert (hosts.reopen_within_ms, hosts.title, rest.incident) == (None, "{tag:host} is ill", False)
    assert policy.services == {"checkout": "shop"}


WRONG = [
    ("grouping: [{name: a, group_by: [colour]}]", "colour"),
    ("grouping: [{name: a, threshold: 0}]", "threshold"),
    ("grouping: [{name: a, window: never}]", "window"),
    ("grouping: [{name: alone}]", "taken"),
    ("grouping: [{name: a}, {name: a}]", "two rules are called a"),
    ("grouping: [{name: a, auto_resolve: sometimes}]", "auto_resolve"),
    ("grouping: [{name: a, match: {'tag:': x}}]", "tag:"),
    ("classification: [{name: a, set: {severity: huge}}]", "huge"),
    ("classification: [{name: a, set: {colour: red}}]", "colour"),
    ("classification: [{name: a, set: {}}]", "set"),
    ("services: {a: b, b: a}", "a → b → a"),
    ("flapping: {within: 2d}", "within"),
    ("resolve_after: soon", "resolve_after"),
    ("colour: red", "colour"),
    ("[", "is not YAML"),
]


@pytest.mark.parametrize(("text", "named"), WRONG)
def test_I2_a_wrong_file_is_refused_and_says_what_is_wrong(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(PolicyError) as error:
        read_grouping_policy(written(tmp_path, text))
    assert named in str(error.value)
