"""The list of all dialects: explicit, read by people and type checkers."""

from __future__ import annotations

from bluewhale.dialects.asterisk.dialect import ASTERISK_CSV
from bluewhale.dialects.avaya_cm.dialect import AVAYA_CM
from bluewhale.dialects.cisco_cucm.dialect import CISCO_CUCM
from bluewhale.dialects.engine.dialect import Dialect

DIALECTS: dict[str, Dialect] = {
    dialect.dialect_id: dialect for dialect in (AVAYA_CM, CISCO_CUCM, ASTERISK_CSV)
}


def get_dialect(dialect_id: str) -> Dialect:
    """Give a dialect by its id.

    Raises
    ------
    KeyError: no such dialect; the message lists those that exist.
    """
    if dialect_id not in DIALECTS:
        raise KeyError(f"no dialect {dialect_id!r}; known: {', '.join(sorted(DIALECTS))}")
    return DIALECTS[dialect_id]
