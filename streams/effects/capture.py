"""The beginning of an answer, decoded, as text a database can keep; the rest is never read.

Both sides of a decompression are counted, so neither a bomb nor an endless empty stream is followed. Requests ask for
no coding; gzip and deflate are read all the same, an answer in another coding has no text.
"""

from __future__ import annotations

import codecs
import zlib
from typing import Final

LIMIT: Final = 16 * 1024
"""Bytes of the decoded answer, and of its text in UTF-8, unless more are asked for."""
RAW_LIMIT: Final = 64 * 1024
"""Bytes of the answer as it came, or as many as are kept of it where that is more."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_CHARSETS: Final = {"iso-8859-1": "latin-1", "latin-1": "latin-1", "windows-1252": "cp1252", "us-ascii": "ascii"}
_NOTHING: Final = "\ufffd"


class Capture:
    """``add`` chunks while it answers True; then ``text`` and ``cut``."""

    def __init__(self, content_encoding: str = "", charset: str | None = None, most_bytes: int = LIMIT) -> None:
        coding = content_encoding.strip().lower()
        self._inflate = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}.get(coding)
        self._unreadable = coding not in {"", "identity"} and self._inflate is None
        self._decoder = zlib.decompressobj(self._inflate) if self._inflate is not None else None
        self._charset = _CHARSETS.get((charset or "").strip().lower(), "utf-8")
        self._data = bytearray()
        self._raw = 0
        self._limit, self._raw_limit = most_bytes, max(RAW_LIMIT, most_bytes)
        self.cut = self._unreadable

    def add(self, chunk: bytes) -> bool:
        """Whether more is wanted."""
        if self.cut:
            return False
        self._raw += len(chunk)
        self._data += self._decoded(chunk)
        if len(self._data) > self._limit or self._raw > self._raw_limit:
            self.cut = True
        return not self.cut

    def _decoded(self, chunk: bytes) -> bytes:
        if self._decoder is None:
            return chunk[: self._limit + 1 - len(self._data)]
        first = not self._data and self._raw == len(chunk)
        try:
            return self._inflated(chunk)
        except zlib.error:
            if first and self._inflate == zlib.MAX_WBITS:  # "deflate" without the zlib wrapper, as some send it
                self._inflate, self._decoder = -zlib.MAX_WBITS, zlib.decompressobj(-zlib.MAX_WBITS)
                return self._decoded(chunk)
            self.cut = self._unreadable = True
            return b""

    def _inflated(self, chunk: bytes) -> bytes:
        assert self._decoder is not None  # noqa: S101 - the caller looked
        found = self._decoder.decompress(chunk, self._limit + 1 - len(self._data))
        # what is left over is either beyond the limit or after the end of the stream
        if self._decoder.unconsumed_tail or self._decoder.unused_data:
            self.cut = True
        return found

    def text(self) -> str:
        """At most so many bytes of UTF-8; NUL and what is no text are replaced, half a character at the end is cut."""
        decoder = codecs.getincrementaldecoder(self._charset)("replace")
        text = decoder.decode(bytes(self._data[: self._limit]), final=not self.cut).replace("\0", _NOTHING)
        encoded = text.encode()
        if len(encoded) <= self._limit:
            return text
        self.cut = True
        return encoded[: self._limit].decode(errors="ignore")
