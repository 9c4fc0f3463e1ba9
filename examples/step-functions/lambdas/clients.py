"""Clients of AWS, one of each a process. Times out fast: a function is paid by the millisecond."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

_FAST = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})


@cache
def client(service: str) -> Any:
    return boto3.client(service, config=_FAST)


@cache
def states() -> Any:
    """Step Functions, or whoever speaks its protocol at ``SETTLE_ENDPOINT_URL`` with a key of its own."""
    key = os.environ.get("SETTLE_ACCESS_KEY_ID")
    return boto3.client(
        "stepfunctions",
        endpoint_url=os.environ.get("SETTLE_ENDPOINT_URL") or None,
        aws_access_key_id=key,
        aws_secret_access_key=os.environ.get("SETTLE_SECRET_ACCESS_KEY"),
        aws_session_token=None if key else os.environ.get("AWS_SESSION_TOKEN"),
        config=_FAST,
    )


@cache
def table(variable: str, default: str) -> Any:
    """A DynamoDB table, by the environment variable that names it."""
    return boto3.resource("dynamodb", config=_FAST).Table(os.environ.get(variable, default))
