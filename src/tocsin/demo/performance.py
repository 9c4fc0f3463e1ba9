"""Tells a story to a server: sends its webhooks, lets people act on the incidents, waits until everything is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from tocsin.demo.post import Post
from tocsin.demo.scenario import Deed
from tocsin.demo.server import Document, Server, eventually
from tocsin.errors import StartError
from tocsin.events.vocabulary import INCIDENT_STATUSES

_SHOWN_SECONDS: Final = 60.0
_PLACES: Final[Mapping[str, int]] = {status: place for place, status in enumerate(INCIDENT_STATUSES)}
Say = Callable[[str], None]


class Performance:
    """``secrets``: by source; ``new``: sources whose secret was just made. ``say`` is told each step before it."""

    def __init__(self, server: Server, secrets: Mapping[str, str], new: Collection[str], say: Say) -> None:
        self._server = server
        self._secrets = secrets
        self._new = new
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
            self._server.deliver(post, self._secrets[post.source], new=post.source in self._new)
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

    def act(self, people: Sequence[Deed]) -> Sequence[Deed]:
        """Lets them act on the incidents; returns what could not be done. Raises StartError."""
        return [deed for deed in people if not self._done(deed)]

    def _done(self, deed: Deed) -> bool:
        self._say(f"{deed.actor}: {deed.service} {deed.does}")
        incident = eventually(lambda: self._ripe(deed))
        if incident is None:
            return False
        return _place(incident["status"]) >= _place(deed.does) or self._server.done(deed, incident)

    def _ripe(self, deed: Deed) -> Document | None:
        """The incident, once its status is the one before that of the deed, or beyond."""
        incident = self._server.incident(deed.group)
        before = _place(deed.does) - 1 if deed.does in _PLACES else 0
        return incident if incident and _place(incident["status"]) >= before else None

    def incidents(self, groups: Sequence[tuple[str, str]]) -> Sequence[Document]:
        """The newest of each group, as far as there is one; in the order of their chain."""
        found = [incident for group in dict.fromkeys(groups) if (incident := self._server.incident(group))]
        return sorted(found, key=lambda one: _place(one["status"]))


def _place(does: str) -> int:
    """Of a status in the chain; of what is no status, behind all of them."""
    return _PLACES.get(does, len(_PLACES))
