"""Channels: the names by which deliveries reach the operator's own Slack webhooks, whose URLs are secrets.

Events and facts carry the name only; the URL is looked up when it is dialled. The setting is read at start, so another
URL counts for deliveries that already wait as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tocsin.egress import urls as egress_urls
from tocsin.egress.refusal import Refused

if TYPE_CHECKING:
    from tocsin.settings import Settings

SLACK: Final = "slack:"
DEFAULT_SLACK: Final = "slack:default"
SLACK_URL_SETTING: Final = "SLACK_WEBHOOK_URL"
SLACK_URLS_SETTING: Final = "SLACK_WEBHOOK_URLS"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def urls(settings: Settings) -> Mapping[str, str]:
    """The URL of each channel that has one: ``slack:default``, and those that have a name."""
    default = settings.slack_webhook_url.get_secret_value()
    return ({DEFAULT_SLACK: default} if default else {}) | named(settings.slack_webhook_urls.get_secret_value())


def named(text: str) -> dict[str, str]:
    """Of ``SLACK_WEBHOOK_URLS``: ``name=url``, comma-separated. Raises ValueError, which repeats no URL."""
    found: dict[str, str] = {}
    for number, part in enumerate((one.strip() for one in text.split(",") if one.strip()), start=1):
        name, separator, url = part.partition("=")
        if not separator or not NAME.fullmatch(name):
            raise ValueError(f"entry {number} is not name=url; a name has the letters a-z, digits, _ and -")
        if SLACK + name == DEFAULT_SLACK:
            raise ValueError(f"the default is {SLACK_URL_SETTING}")
        if SLACK + name in found:
            raise ValueError(f"{name} is there twice")
        found[SLACK + name] = checked(url, name)
    return found


def checked(url: str, name: str = "") -> str:
    """The URL, when it is one. Raises ValueError, which does not repeat it."""
    try:
        egress_urls.read(url)
    except Refused as refused:
        raise ValueError(f"{name}: {refused.refusal.message}" if name else refused.refusal.message) from None
    return url


def missing(name: str) -> str:
    """The sentence about a channel without a URL."""
    setting = SLACK_URL_SETTING if name == DEFAULT_SLACK else f"an entry in {SLACK_URLS_SETTING}"
    if not name.startswith(SLACK):
        return f"There is no channel {name}"
    return f"Channel {name} has no URL: the workers that make deliveries need {setting}"
