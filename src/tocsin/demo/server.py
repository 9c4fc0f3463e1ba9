"""The running installation as the demo sees it: over HTTP only, like any sender and any client."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

import httpx

from tocsin.demo.post import Post
from tocsin.demo.scenario import Deed
from tocsin.errors import StartError

Found = TypeVar("Found")
Document = Mapping[str, Any]

_PAUSE_SECONDS: Final = 0.05
_PATIENCE_SECONDS: Final = 10.0


class Server:
    """``base``: its address. ``key``: an API key; empty where unversioned routes are open."""

    def __init__(self, base: str, key: str = "") -> None:
        self.base = base.rstrip("/")
        self._http = httpx.Client(base_url=self.base, timeout=30)
        self._key = {"x-api-key": key} if key else {}

    def close(self) -> None:
        self._http.close()

    def deliver(self, post: Post, secret: str, *, new: bool = False) -> None:
        """Repeats it for a while: after 503, as senders do; after 401 when the secret is so new that not everybody
        knows it. Raises StartError.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            answer = self._ask("POST", post.path, content=post.body, headers=post.signed(secret))
            if answer.status_code == 202:
                return
            if answer.status_code not in ((401, 503) if new else (503,)) or time.monotonic() > deadline:
                raise StartError(_refusal(post, answer))
            time.sleep(_PAUSE_SECONDS)

    def began(self, fingerprint: str) -> int | None:
        """When the oldest alert of this fingerprint started, Unix ms; None when there is none."""
        found = self._items("/alerts", fingerprint=fingerprint, sort="created_at", limit="1")
        return round(datetime.fromisoformat(found[0]["started_at"]).timestamp() * 1000) if found else None

    def deliveries(self, fingerprint: str) -> int:
        """How many are counted on all alerts of this fingerprint."""
        return sum(alert["deliveries"] for alert in self._items("/alerts", fingerprint=fingerprint, limit="100"))

    def incident(self, group: tuple[str, str]) -> Document | None:
        """The newest incident of a service in an environment."""
        service, environment = group
        found = self._items("/incidents", service=service, environment=environment, limit="1")
        return found[0] if found else None

    def done(self, deed: Deed, incident: Document) -> bool:
        """False when the incident does not allow it. Raises StartError."""
        path = f"/incidents/{incident['id']}"
        if deed.does == "acknowledge":
            method, path, body = "POST", f"{path}/acknowledge", {}
        elif deed.does == "assign":
            method, path, body = "POST", f"{path}/assign", {"assignee": deed.to}
        else:
            method, path, body = "PATCH", f"{path}/status", {"status": deed.does, "reason": deed.reason}
        answer = self._ask(method, path, json={"actor": deed.actor, **body}, headers=self._key)
        if answer.status_code not in (200, 202, 409):
            raise StartError(f"{self.base}{path} was answered {answer.status_code}: {answer.text}")
        return answer.status_code != 409

    def _items(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        answer = self._ask("GET", path, params=parameters, headers=self._key)
        if answer.status_code in (401, 403):
            raise StartError(f"{self.base} wants an API key with scopes read and write: set TOCSIN_API_KEY.")
        if answer.status_code != 200:
            raise StartError(f"{self.base}{path} was answered {answer.status_code}: {answer.text}")
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise StartError(f"{self.base} does not answer: {error}.") from error


def _refusal(post: Post, answer: httpx.Response) -> str:
    if answer.status_code == 401:
        return f"The gateway knows another secret of {post.source} than the one that is set here."
    return f"The gateway refused a webhook of {post.source} ({answer.status_code}): {answer.text}"


def eventually(look: Callable[[], Found | None], seconds: float = _PATIENCE_SECONDS) -> Found | None:
    """The first true result of ``look``; None when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            return None
        time.sleep(_PAUSE_SECONDS)
    return found
