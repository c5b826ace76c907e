"""What billing prices with: tariffs and directory of the main database, as of now.

Owns noticing that a version was activated, and swapping whole: a batch is
priced with one set or the other, never with half of each. What is away (the
main database) leaves the set that is there. Does not own versions or the book.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from bluewhale.alerting import NO_RULES
from bluewhale.capture.exceptions import BluewhaleError, TemporaryError
from bluewhale.configuration.alerting import Alerting
from bluewhale.jobs.directories import stored_directory
from bluewhale.jobs.tariffs import in_use, stored_version
from bluewhale.stages import Stages
from bluewhale.telemetry import get_logger

if TYPE_CHECKING:
    from pathlib import Path

    from bluewhale.alerting import Rules
    from bluewhale.configuration import Following
    from bluewhale.database import Store
    from bluewhale.rating.tariff import TariffVersion

Seen = tuple[object, ...]


class PricesMissingError(TemporaryError):
    """The main database has no directory yet: storage puts it there when it starts."""

    code = "prices_missing"


class Prices:
    """The stages to price with; any thread reads them, or looks for news.

    Parameters
    ----------
    store: the main database; only read.
    payer_policy: which extension pays for a transferred call.
    rules: gives the rules of alerts that are in force.
    """

    def __init__(
        self, store: Store, payer_policy: str, rules: Callable[[], Rules] = lambda: NO_RULES
    ) -> None:
        self.store = store
        self._rules = rules
        self._payer_policy = payer_policy
        self._log = get_logger("billing")
        self._looking = threading.Lock()
        self._seen: Seen = ()
        self._stages: Stages | None = None
        self._versions: dict[tuple[str, int], TariffVersion] = {}
        self.error = ""  # why the latest look failed; "" = it did not

    def stages(self) -> Stages:
        """Give what to price with.

        Raises
        ------
        PricesMissingError
            Nothing was found so far; try again.
        """
        if self._stages is None:
            raise PricesMissingError(
                f"no directory in the main database yet ({self.error or 'not looked'}); "
                "the storage role puts it there when it starts"
            )
        return self._stages

    def look(self) -> bool:
        """Take what is in use now; tell whether it is something new.

        Raises
        ------
        TemporaryError
            The main database is away; what was there stays in use.
        """
        with self._looking:
            return self._look()

    def _look(self) -> bool:
        tariffs = in_use(self.store.list_tariffs())
        number, _ = self.store.directory_files()
        seen: Seen = (number, tuple(sorted((t.tariff_uid, t.version) for t in tariffs)))
        rules = self._rules()
        if seen == self._seen and self._stages is not None:
            if rules is not self._stages.rules:
                self._stages = replace(self._stages, rules=rules)
                return True
            return False
        wanted = [(t.tariff_uid, t.version) for t in tariffs]
        self._versions = {
            key: self._versions.get(key) or stored_version(self.store, *key) for key in wanted
        }
        directory = stored_directory(self.store, number)
        self._stages = Stages.of(directory, self._versions.values(), self._payer_policy, rules)
        self._seen = seen
        self._log.info("Prices loaded", count=len(wanted), version=str(number))
        return True

    def watch(self, stopping: threading.Event, poll_ms: int) -> None:
        """Look again and again until told to stop; what fails is said once and tried again."""
        while not stopping.is_set():
            self.try_look()
            stopping.wait(poll_ms / 1000)

    def try_look(self) -> None:
        """Look once; a failure stays in `error`."""
        try:
            self.look()
            self.error = ""
        except BluewhaleError as error:
            if not self.error:
                self._log.warning(
                    "Prices cannot be loaded, going on with those there are",
                    error=str(error),
                    error_code=error.code,
                )
            self.error = str(error)


class AwaitedPrices:
    """Prices as other plugins ask for them, also before the main database is there.

    Parameters
    ----------
    look_every_ms: how often each process looks for an activated version.
    following: the configuration in force; None = no rules of alerts.
    """

    def __init__(self, look_every_ms: int, following: Following | None = None) -> None:
        self.look_every_ms = look_every_ms
        self._following = following
        self.prices: Prices | None = None

    @property
    def store(self) -> Store:
        """Give the main database; errors as `stages`."""
        return self._there().store

    @property
    def alerting(self) -> Alerting:
        """Give the rules and channels in force."""
        following = self._following
        return Alerting() if following is None else following.configuration.alerting

    @property
    def rules_file(self) -> Path | None:
        """Give where they are declared."""
        following = self._following
        return None if following is None else following.configuration.settings.alerts

    def stages(self) -> Stages:
        """Give what to price with; errors as `Prices.stages`."""
        return self._there().stages()

    def refresh(self) -> None:
        """Take what is in use now, at once; errors as `Prices.look`."""
        self._there().look()

    def _there(self) -> Prices:
        prices = self.prices
        if prices is None:
            raise PricesMissingError("the main database is not there yet; try again in a moment")
        return prices


def now_ms(clock: Callable[[], float] = time.time) -> int:
    """Give the moment that charges carry as `rated_at`."""
    return int(clock() * 1000)
