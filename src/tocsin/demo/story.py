"""The webhooks of a story, in the order they are sent. The same seed and time give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from tocsin.demo import alertmanager, datadog, sentry
from tocsin.demo.post import Post, Telling
from tocsin.demo.scenario import Alert, Scenario, Sender

_SENDERS: Final[Mapping[Sender, Callable[[Alert, Telling], Iterator[Post]]]] = {
    "alertmanager": alertmanager.posts,
    "datadog": datadog.posts,
    "sentry-issue": sentry.issue_posts,
    "sentry-metric": sentry.metric_posts,
}


def posts(told: Scenario, telling: Telling) -> Sequence[Post]:
    """In order of time; of the same minute, in that of the scenario."""
    found = [post for alert in told.alerts for post in _SENDERS[alert.sender](alert, telling)]
    return sorted(found, key=lambda post: post.at)


def first_fingerprint(told: Scenario) -> str:
    """Of an alert that begins with the story. Raises ValueError when Alertmanager has none."""
    for alert in told.alerts:
        for instance, words in alert.instances.items():
            if 0 in words:
                return f"alertmanager:{alertmanager.fingerprint(alertmanager.labels(alert, instance))}"
    raise ValueError("no alert of Alertmanager begins with the story")
