"""I1, I2: what every sender's documentation shows, signed as it signs, through a running system to its incident; and
everything that is not genuine is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests import sns
from tests.installation import eventually
from tests.stages.webhooks import NEW, ROUTING_KEY, SENDINGS, Sending, data, grafana_timed, standard

pytestmark = pytest.mark.embedded

PAGERDUTY = json.loads(data("pagerduty/trigger.json"))
ALERTS = sorted(SENDINGS.keys() - {"github"})


def signed(sending: Sending, secret: str = NEW) -> dict[str, str]:
    return {**sending.headers, **sending.sign(sending.body, secret)}


def post(client: httpx.Client, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
    return client.post(path, content=body, headers={"content-type": "application/json", **headers})


@pytest.mark.parametrize("name", ALERTS)
def test_I2_the_example_of_each_sender_becomes_its_alert_and_its_incident(client: httpx.Client, name: str) -> None:
    sending = SENDINGS[name]
    answer = post(client, sending.route, sending.body, signed(sending))
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    assert accepted["accepted"] == len(accepted["alerts"]) > 0
    # the first of a group fires; another may be over, and is no alert before somebody says that it fired
    said = accepted["alerts"][0]
    becomes_its_incident(client, sending.source, said["fingerprint"], said["rule"])


def becomes_its_incident(client: httpx.Client, source: str, fingerprint: str, rule: str) -> None:
    """Its alert is there with the same key, and so is an incident that has it."""

    def listed() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = client.get("/alerts", params={"fingerprint": fingerprint}).json()["items"]
        return items

    (alert,) = eventually(listed)
    assert (alert["source"], alert["fingerprint_rule"]) == (source, rule)
    shown = eventually(lambda: client.get(f"/alerts/{alert['id']}").json()["incident_id"])
    incident = client.get(f"/incidents/{shown}").json()
    assert source in incident["sources"]
    assert alert["id"] in {one["id"] for one in incident["alerts"]}


def test_I2_pagerdutys_example_becomes_its_alert_and_its_incident(client: httpx.Client) -> None:
    answer = client.post("/v2/enqueue", json=PAGERDUTY)
    assert (answer.status_code, answer.json()["dedup_key"]) == (202, "samplekeyhere")

    def listed() -> list[dict[str, Any]]:
        items = client.get("/alerts", params={"source": "pagerduty"}).json()["items"]
        return [one for one in items if "samplekeyhere" in one["fingerprint_fields"].values()]

    (alert,) = eventually(listed)
    becomes_its_incident(client, "pagerduty", alert["fingerprint"], alert["fingerprint_rule"])


def test_I1_githubs_failed_run_becomes_a_ticket(client: httpx.Client) -> None:
    sending = SENDINGS["github"]
    answer = post(client, sending.route, sending.body, signed(sending))
    assert answer.status_code == 202, answer.text
    (failure,) = answer.json()["failures"]
    found = eventually(lambda: client.get("/tickets", params={"workflow": failure["workflow"]}).json()["items"])
    assert (found[0]["identifier"], found[0]["source"]) == (failure["identifier"], "github")
    succeeded = json.loads(sending.body)
    succeeded["workflow_run"] |= {"conclusion": "success", "updated_at": "2020-01-22T20:00:00Z"}
    again = replace(
        sending, body=json.dumps(succeeded).encode(), headers={**sending.headers, "x-github-delivery": "another"}
    )
    assert post(client, again.route, again.body, signed(again)).status_code == 202
    closed = eventually(
        lambda: one if (one := client.get(f"/tickets/{found[0]['id']}").json())["status"] == "done" else None
    )
    assert closed["history"][-1]["actor"] == "github"


def flipped(text: str) -> Iterator[str]:
    """The text with one bit of each of some characters changed, where it is still a header."""
    for at in {0, len(text) // 2, len(text) - 1}:
        yield text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


@pytest.mark.parametrize("name", sorted(SENDINGS))
def test_I1_what_is_not_genuine_is_401(client: httpx.Client, name: str) -> None:
    sending = SENDINGS[name]
    genuine = signed(sending)
    forged = [signed(sending, "wrong-secret"), dict(sending.headers)]
    for header in sending.signed:
        forged += [{**genuine, header: changed} for changed in flipped(genuine[header])]
        forged += [
            {**genuine, header: value}
            for value in ("", "v1,", "Bearer", "sha256=", "\u00e9".encode().decode("latin-1"))
        ]
        forged.append({one: value for one, value in genuine.items() if one != header})
    for headers in forged:
        answer = client.post(
            sending.route, content=sending.body, headers=[(n.encode(), v.encode("latin-1")) for n, v in headers.items()]
        )
        assert answer.status_code == 401, (headers, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    if sending.covers_body:
        assert post(client, sending.route, sending.body + b" ", genuine).status_code == 401


@pytest.mark.parametrize("seconds", [-310, 310])
def test_I1_a_signed_time_five_minutes_away_is_401(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    then = time.time() + seconds
    for name, sign in (("standard", standard), ("grafana timed", grafana_timed)):
        sending = SENDINGS[name]
        with monkeypatch.context() as patched:
            patched.setattr(time, "time", lambda: then)
            headers = sign(sending.body, NEW)
        assert post(client, sending.route, sending.body, headers).status_code == 401


def test_I1_an_unknown_routing_key_is_400_as_pagerduty_says_it(client: httpx.Client) -> None:
    answer = client.post("/v2/enqueue", json=PAGERDUTY | {"routing_key": ROUTING_KEY[::-1]})
    assert (answer.status_code, answer.json()["status"]) == (400, "invalid event")


def test_I1_a_message_of_sns_that_amazon_did_not_sign_is_401(client: httpx.Client) -> None:
    forged = sns.message("{}") | {"SigningCertURL": "https://sns.us-east-1.amazonaws.com.example/cert.pem"}
    assert client.post("/webhooks/cloudwatch", json=forged).status_code == 401
    unsigned = {name: value for name, value in sns.message("{}").items() if name != "Signature"}
    assert client.post("/webhooks/cloudwatch", json=unsigned).status_code == 401


@pytest.mark.parametrize(
    "path", sorted({one.route for one in SENDINGS.values()} | {"/v2/enqueue", "/webhooks/cloudwatch"})
)
def test_I1_ten_megabytes_are_413(client: httpx.Client, path: str) -> None:
    answer = client.post(path, content=b"x" * 10_000_000)
    assert answer.status_code == 413
