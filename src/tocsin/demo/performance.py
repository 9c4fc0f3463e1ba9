"""Tells a story to a server: sends its webhooks, lets people act on the incidents, waits until everything is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tocsin.demo.post import Post
from tocsin.demo.scenario import Move
from tocsin.demo.server import Document, Server, eventually
from tocsin.errors import StartError
from tocsin.events.vocabulary import INCIDENT_STATUSES

_SHOWN_SECONDS: Final = 60.0
_PLACES: Final[Mapping[str, int]] = {status: place for place, status in enumerate(INCIDENT_STATUSES)}
Say = Callable[[str], None]


class Performance:
    """``secrets``: by source. ``say`` is called before each step with what it is."""

    def __init__(self, server: Server, secrets: Mapping[str, str], say: Say) -> None:
        self._server = server
        self._secrets = secrets
        self._say = say
        self._begun: dict[tuple[str, str], set[str]] = {}
        self._shown: set[tuple[str, str]] = set()

    def send(self, posts: Sequence[Post]) -> None:
        """Returns once every delivery is counted. Raises StartError."""
        words = Counter(name for post in posts for name in post.fingerprints)
        wanted = {name: self._server.deliveries(name) + count for name, count in words.items()}
        for post in posts:
            self._say(f"{post.source}: {' '.join(post.group)}")
            self._after_the_first(post)
            self._server.deliver(post, self._secrets[post.source])
        self._say("waiting until everything is shown")
        for name, count in wanted.items():
            self._until_counted(name, count)

    def _until_counted(self, fingerprint: str, count: int) -> None:
        if not eventually(lambda: self._server.deliveries(fingerprint) >= count, _SHOWN_SECONDS):
            raise StartError(f"Not all was shown within {_SHOWN_SECONDS:.0f} s; tocsin status says what is behind.")

    def _after_the_first(self, post: Post) -> None:
        """The alert a story has opening an incident opens it: others of its group are sent once it is there."""
        begun = self._begun.setdefault(post.group, set())
        if begun and not begun.issuperset(post.fingerprints) and post.group not in self._shown:
            # no incident: the rules of this installation group otherwise, and the order does not matter
            eventually(lambda: self._server.incident(post.group))
            self._shown.add(post.group)
        begun.update(post.fingerprints)

    def act(self, people: Sequence[Move]) -> Sequence[Move]:
        """Moves incidents on; returns the moves that could not be made. Raises StartError."""
        return [move for move in people if not self._made(move)]

    def _made(self, move: Move) -> bool:
        self._say(f"{move.actor}: {move.service} is {move.status}")
        incident = eventually(lambda: self._reached(move))
        if incident is None:
            return False
        if _place(incident["status"]) < _place(move.status):
            self._server.move(incident, move.status, move.actor, move.reason)
        return True

    def _reached(self, move: Move) -> Document | None:
        """The incident, once it stands before the move, or behind it."""
        incident = self._server.incident(move.group)
        return incident if incident and _place(incident["status"]) >= _place(move.status) - 1 else None

    def incidents(self, groups: Sequence[tuple[str, str]]) -> Sequence[Document]:
        """The newest of each group, as far as there is one; the worst first."""
        found = [incident for group in dict.fromkeys(groups) if (incident := self._server.incident(group))]
        return sorted(found, key=lambda one: _place(one["status"]))


def _place(status: str) -> int:
    return _PLACES[status]
