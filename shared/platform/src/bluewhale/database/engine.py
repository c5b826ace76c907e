"""The port to a database engine: what a transaction can do, whichever engine runs.

Two drivers fill it: `sqlite` (embedded) and `postgres` (cluster). Statements are
written once, in words that both understand (README), with `?` for parameters.
Owns the port alone; errors are ours, never the engine's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import pyarrow as pa
import sqlalchemy as sa
from bluewhale.database.columns import rows_table

Dialect = Literal["sqlite", "postgresql"]


class Transaction(ABC):
    """One transaction: plain SQL with positional parameters, rows as tuples."""

    dialect: Dialect

    @abstractmethod
    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query and give all its rows."""

    @abstractmethod
    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement and give the count of rows it changed."""

    @abstractmethod
    def many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement once per row of parameters."""

    @abstractmethod
    def rows_in(
        self, sql: str, values: Iterable[Any], parameters: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Run a query whose `IN ({marks})` stands for many values; it stands last."""

    @abstractmethod
    def run_in(self, sql: str, values: Iterable[Any], parameters: Sequence[Any] = ()) -> int:
        """Run a statement whose `IN ({marks})` stands for many values; it stands last."""

    @abstractmethod
    def put(self, table: sa.Table, rows: pa.Table) -> None:
        """Insert the rows of an Arrow table whose columns are columns of `table`.

        A column that `rows` does not have takes its default.
        """

    @abstractmethod
    def delete(self, table: sa.Table, rows: pa.Table) -> int:
        """Delete the rows of `table` whose columns equal a row of `rows`; give their count."""

    def table(
        self, select: Sequence[str], source: str, parameters: Sequence[Any], schema: pa.Schema
    ) -> pa.Table:
        """Run the query `SELECT select source` for some thousand rows; give them as a table.

        `select`: an expression per column of `schema`, none of them a floating number.
        """
        return rows_table(self.rows(f"SELECT {', '.join(select)} {source}", parameters), schema)

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Run a query and give its first row."""
        found = self.rows(sql, parameters)
        return found[0] if found else None


class Database(ABC):
    """Connections to one main database.

    Which transactions run beside each other is said when one begins; an engine
    with one writer lets none.
    """

    dialect: Dialect
    place: str  # for messages; never a password

    @abstractmethod
    def write(self, *, partition: int | None = None) -> AbstractContextManager[Transaction]:
        """Open a write transaction; commits at the end, rolls back on any error.

        It runs alone, or, where `partition` names the merge-domain partition that
        owns everything it touches, beside those of other partitions.
        """

    @abstractmethod
    def write_beside(self) -> AbstractContextManager[Transaction]:
        """Open a write transaction on tables that no commit of records writes.

        Such transactions run one after the other, but beside commits.
        """

    @abstractmethod
    def write_rows(self) -> AbstractContextManager[Transaction]:
        """Open a write transaction that needs no order but that of the rows it changes."""

    @abstractmethod
    def read(self) -> AbstractContextManager[Transaction]:
        """Open a read transaction: one consistent state."""

    @abstractmethod
    def migrate(self) -> int | None:
        """Bring the tables to this release; of several processes one does it, others wait.

        Gives the version of the tables that was found; None = there were none.
        """

    @abstractmethod
    def sole(self, work: str) -> AbstractContextManager[bool]:
        """Be the only process that does `work` inside the `with`; False = another one does."""

    @abstractmethod
    def make_days(self, days: Collection[int]) -> None:
        """Make room of their own for legs of these days (since 1970), where the engine has any."""

    @abstractmethod
    def drop_days(self, before_day: int) -> None:
        """Take away the empty room of days before `before_day`."""

    @abstractmethod
    def scrub(self) -> None:
        """Let no file of the engine hold what rows held before, as far as the engine can.

        SQLite writes its file anew; PostgreSQL frees the room, and overwrites it with
        the next rows. Takes as long as the database is big; readers go on.
        """

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""
