"""The words of a ticket. Apart from ``tickets`` because a message changes far more often than what is indexed there:
a row whose indexed columns stay is updated in place, without touching any of its indexes.

Words are cut here rather than by PostgreSQL's parser, so that text and query agree whatever the server's version.
"""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import Boolean, Column, Index, Table, Text
from sqlalchemy.dialects.postgresql import TSVECTOR

from tocsin.projections.tables.metadata import READ_MODEL, metadata

ticket_search: Final = Table(
    "ticket_search",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("ticket_id", Text, primary_key=True),
    Column("hidden", Boolean, nullable=False),
    Column("words", TSVECTOR, nullable=False),
    Index(None, "words", postgresql_using="gin"),
    schema=READ_MODEL,
)

# A lexeme may have 2,046 bytes and a tsvector 1 MiB; messages may be larger than both.
_WORD: Final = re.compile(r"[^\W_]{1,64}")
SEARCHED_CHARACTERS: Final = 4096


def words(*texts: str) -> str:
    """The distinct words of the first 4,096 characters of each text, lower case, separated by spaces."""
    searched = "\n".join([text[:SEARCHED_CHARACTERS] for text in texts])
    return " ".join(set(_WORD.findall(searched.lower())))


def search_query(text: str) -> str:
    """The tsquery for tickets that have every word of the text; ``word*`` stands for all that begin so.

    Empty when the text has no word.
    """
    terms = re.findall(r"([^\W_]{1,64})(\*?)", text.lower())
    return " & ".join(f"'{word}'" + (":*" if star else "") for word, star in dict.fromkeys(terms))
