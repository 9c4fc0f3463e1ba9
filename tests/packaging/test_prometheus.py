"""The alarms: parsed and unit-tested by promtool, and about metrics that exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tocsin.api.routes.metrics import BUSINESS

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"
UNAVAILABLE = 69  # what tools/prometheus.sh says when it can get none


def promtool(*arguments: str) -> str:
    program = [str(ROOT / "tools" / "prometheus.sh"), "promtool"]
    done = subprocess.run([*program, *arguments], cwd=RULES, capture_output=True, text=True)
    if done.returncode == UNAVAILABLE:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts() -> dict[str, str]:
    content = yaml.safe_load((RULES / "rules.yaml").read_text())
    return {rule["alert"]: rule["expr"] for group in content["groups"] for rule in group["rules"]}


def test_the_rules_parse() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", "rules.yaml")


def test_the_alarms_ring_when_they_should_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yaml")


def test_every_alarm_has_a_test() -> None:
    tested = set(re.findall(r"alertname: (\w+)", (RULES / "rules_test.yaml").read_text()))
    assert set(alerts()) - {"TocsinLagCritical"} <= tested


def test_every_metric_in_a_rule_is_exported_by_the_code() -> None:
    used = set(re.findall(r"\btocsin_\w+", " ".join(alerts().values())))
    folders = ("src/tocsin", "ingest", "streams", "projections", "api")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    declared = set(re.findall(r'"(tocsin_\w+)"', " ".join(path.read_text() for path in sources)))
    declared |= {f"tocsin_{name}" for name in BUSINESS}
    declared |= {f"{name}_{suffix}" for name in declared for suffix in ("total", "bucket")}
    assert used <= declared
