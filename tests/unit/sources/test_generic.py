"""Mappers: the file, and what it makes of JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.sources.given import alert, body, delivery
from tocsin.errors import StartError
from tocsin.ingest.mappers import Mappers, mappers, read_mappers
from tocsin.ingest.sources.generic import Mapper, Value, at, parse
from tocsin.ingest.sources.webhook import Unreadable
from tocsin.policies import PolicyError

PACKAGED = Path(__file__).parents[3] / "deploy" / "mappers.yaml"
KUMA = read_mappers(PACKAGED)["uptime-kuma"]
DOWN = body("generic/uptime_kuma.json")


def test_I1_the_packaged_mapper() -> None:
    reading = parse(KUMA, delivery(DOWN, "api_key"))
    found = alert(reading)
    assert (found.source, found.fingerprint) == ("uptime-kuma", "uptime-kuma:7")
    assert (found.fingerprint_rule, found.fingerprint_fields) == ("the mapper uptime-kuma", {"monitor.id": "7"})
    assert (found.transition, found.severity, found.service) == ("triggered", "critical", "orders")
    assert (found.title, found.message) == ("orders", "connect ECONNREFUSED 10.0.0.7:443")
    assert found.occurred_at == "2026-01-31T12:00:00.123Z"
    assert found.tags == {"type": "http"}
    assert json.loads(bytes(found.context)) == DOWN
    assert not reading.timeless


@pytest.mark.parametrize(("status", "transition"), [(0, "triggered"), (1, "resolved"), (9, "triggered")])
def test_I1_words_of_the_sender_become_ours(status: int, transition: str) -> None:
    content = DOWN | {"heartbeat": DOWN["heartbeat"] | {"status": status}}
    assert alert(parse(KUMA, delivery(content))).transition == transition


def test_I1_a_word_may_be_ignored() -> None:
    content = DOWN | {"heartbeat": DOWN["heartbeat"] | {"status": 2}}
    assert parse(KUMA, delivery(content)).reason == "the mapper ignores it"


def mapper(**changes: Any) -> Mapper:
    fields: dict[str, Any] = {
        "name": "m",
        "fingerprint": ("id",),
        "source": "m",
        "title": Value(("title",)),
        "transition": Value(default="triggered"),
    }
    return Mapper(**fields | changes)


def test_I1_each_member_of_a_list_is_an_alert() -> None:
    content = {"delivery": "d-1", "checks": [{"id": 1}, {"id": 2}]}
    reading = parse(mapper(items="checks", delivery_id=Value(("delivery",))), delivery(content))
    assert len(reading.events) == 2
    assert reading.delivery_id == "d-1"
    assert reading.timeless
    assert parse(mapper(items="checks"), delivery({"checks": []})).reason == "checks is empty"


@pytest.mark.parametrize(
    ("made", "content", "reason"),
    [
        (mapper(), {"title": "x"}, "id is missing, which the fingerprint is made of"),
        (mapper(items="checks"), {"checks": {}}, "checks is no list"),
        (
            mapper(transition=Value(("state",), {"up": "resolved"})),
            {"id": 1, "state": "sideways"},
            "the mapper gives no transition for state = 'sideways'",
        ),
        (mapper(), b"{", "the body is not JSON: Input data was truncated"),
    ],
)
def test_I2_what_the_mapper_cannot_read_is_unreadable(made: Mapper, content: Any, reason: str) -> None:
    with pytest.raises(Unreadable) as error:
        parse(made, delivery(content))
    assert str(error.value) == reason


@pytest.mark.parametrize(
    ("path", "found"),
    [("a.b.1", 3), ("a.c", None), ("a.b.x", None), ("a.b.9", None), ("a.b.1.d", None), ("", {"a": {"b": [2, 3]}})],
)
def test_paths(path: str, found: object) -> None:
    assert at({"a": {"b": [2, 3]}}, path) == found


# --- the file ---------------------------------------------------------------------------------------------------------


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mappers.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mappers: {m: {title: t}}", "mappers.m.fingerprint: Field required"),
        ("mappers: {m: {fingerprint: [a], title: t, titel: x}}", "mappers.m.titel: Extra inputs are not permitted"),
        (
            "mappers: {m: {fingerprint: [a], title: t, transition: {path: s, values: {up: fine}}}}",
            "fine is no transition; there are acknowledged, ignored, repeated, resolved, triggered",
        ),
        ("mappers: {M M: {fingerprint: [a], title: t}}", "String should match pattern"),
        ("mappers: [", "is not YAML"),
    ],
)
def test_a_wrong_file_is_one_sentence_at_start(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(StartError, match=r"^MAPPERS_CONFIG_PATH: mappers\.yaml") as error:
        mappers(written(tmp_path, text))
    assert problem in str(error.value)


def test_a_file_is_read_anew_when_it_changes_and_a_broken_one_keeps_the_mappers(tmp_path: Path) -> None:
    path = written(tmp_path, "mappers: {m: {fingerprint: [a], title: t}}")
    found = mappers(path)
    assert found.get("m")
    path.write_text("mappers: {m: 7}")
    os.utime(path, ns=(1, 1))
    assert found.get("m")
    path.write_text("mappers: {n: {fingerprint: [a], title: t}}")
    os.utime(path, ns=(2, 2))
    assert found.get("m") is None
    assert found.get("n")


def test_a_missing_file_holds_no_mapper(tmp_path: Path) -> None:
    assert mappers(tmp_path / "mappers.yaml").get("m") is None
    assert Mappers(None).get("m") is None
    with pytest.raises(PolicyError):
        read_mappers(tmp_path / "mappers.yaml")
