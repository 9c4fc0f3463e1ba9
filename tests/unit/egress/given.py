"""Policies and URLs for the tables of this folder."""

from __future__ import annotations

from tocsin.egress.policy import EgressPolicy, parse
from tocsin.egress.refusal import Refusal
from tocsin.egress.urls import Destination

CLOSED = parse()


def accepted(url: str, policy: EgressPolicy = CLOSED, *, by_operator: bool = False) -> Destination:
    found = policy.check_url(url, by_operator=by_operator)
    assert isinstance(found, Destination), found
    return found


def refused(url: str, policy: EgressPolicy = CLOSED, *, by_operator: bool = False) -> Refusal:
    found = policy.check_url(url, by_operator=by_operator)
    assert isinstance(found, Refusal), found
    return found
