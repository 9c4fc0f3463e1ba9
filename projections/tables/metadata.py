"""Two schemas: ``read_model`` can be dropped and rebuilt from the facts, ``tocsin`` cannot and never is."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import TIMESTAMP, MetaData
from sqlalchemy.types import UserDefinedType

READ_MODEL: Final = "read_model"
ADMINISTRATION: Final = "tocsin"

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

Instant = TIMESTAMP(timezone=True)


class VerbatimJson(UserDefinedType[str]):
    """``json``, read and written as its text: NUL escapes, big numbers and the order of keys survive as sent."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSON"
