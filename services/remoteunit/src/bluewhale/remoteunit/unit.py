"""The life of a unit: journal, links, uplink, configuration and certificates together.

Owns starting them in order, the loop that reports and guards, and stopping: links
first, so that what was received is in the journal. Needs no centre: a unit starts
from its last good document and collects for as long as its disk allows.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import importlib.metadata
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from bluewhale.capture import TemporaryError
from bluewhale.journal import Journal
from bluewhale.remoteunit.applying import Applying
from bluewhale.remoteunit.certificates import Certificates, clock_ms, credentials_of
from bluewhale.remoteunit.document import Document, LastGood
from bluewhale.remoteunit.exceptions import EnrolmentError
from bluewhale.remoteunit.links import Links
from bluewhale.remoteunit.memory import settle
from bluewhale.remoteunit.ownership_client import CHANNEL_OPTIONS as OWNERSHIP_OPTIONS
from bluewhale.remoteunit.ownership_client import OwnershipClient
from bluewhale.remoteunit.reporting import Reporting
from bluewhale.remoteunit.slots import Slot, Slots
from bluewhale.remoteunit.uplink_client import UplinkClient, open_channel
from bluewhale.telemetry import Metrics, get_logger
from bluewhale.telemetry.logs import set_level
from bluewhale.uplink import Configure, UnitSide

if TYPE_CHECKING:
    from bluewhale.remoteunit.settings import RemoteUnitSettings

RELEASE = importlib.metadata.version("bluewhale-remoteunit")
_ROUND_S = 1.0
_SETTLED_ROUNDS = 3  # seconds after which what starting needed is given back
_RENEWAL_LOOK_S = 10.0

Condition = Callable[..., None]  # condition(name, good=..., message=...)


class Unit:
    """One running unit; use `running`.

    Parameters
    ----------
    condition
        Told how each part is: `condition(name, good=..., message=...)`.
    failed
        Told what ends the unit: an error that does not pass by itself.
    """

    def __init__(
        self,
        settings: RemoteUnitSettings,
        *,
        metrics: Metrics,
        condition: Condition,
        failed: Callable[[BaseException], None],
    ) -> None:
        self.settings = settings
        self._condition, self._failed = condition, failed
        self._log = get_logger("unit").bind(unit_uid=settings.unit_uid)
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.journal = Journal.open(
            settings.data / "journal.db", quota_bytes=settings.journal_quota_mib << 20
        )
        self.links = Links(self.journal, self._may_read)
        self.applying = Applying(
            self.links,
            LastGood(settings.data / "document.json"),
            check_timeout_s=settings.check_timeout_s,
            used=self._use,
            told=lambda: self._start(self._tell()),
        )
        self.side = UnitSide(settings.unit_uid, release=RELEASE)
        self.certificates = Certificates(
            settings,
            Slots(settings.data / "slots"),
            release=RELEASE,
            clock_ms=lambda: clock_ms() + (self.side.clock_skew_ms or 0),
        )
        self._slot: Slot | None = None
        self.uplink = UplinkClient(
            self.side,
            self.journal,
            settings.centre,
            credentials=self._credentials,
            welcomed=self._welcomed,
            not_welcomed=self.certificates.not_welcomed,
            configure=self._configure,
            set_log_level=set_level,
            traced=lambda: self.applying.effective.trace,
        )
        self.ownership = OwnershipClient(
            settings.unit_uid,
            centre=settings.centre,
            connect=self._connect_ownership,
            kept=settings.data / "ownership.json",
            metrics=metrics,
            started=self.links.follow,
            leave=self.links.leave,
        )
        self.reporting = Reporting(self, metrics)
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Unit]:
        """Collect and send as long as the block lasts."""
        loop = asyncio.get_running_loop()
        self.journal.on_commit = lambda: _soon(loop, self.uplink.journal_grew)
        try:
            await self.applying.start()
            self._log.info("Unit collects", links=len(self.applying.effective.links))
            self._say_conditions()  # before anybody asks: nothing said would mean ready
            for work in (self._guard(), self.uplink.run(), self.ownership.run(), self._renew()):
                self._start(work)
            self._start(self.applying.retry())
            yield self
        finally:
            faulthandler.cancel_dump_traceback_later()
            await self.links.stop()  # before ownership gives the links back
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self.journal.on_commit = None
            self.journal.close()
            self._log.info("Unit stopped")

    # ---- tasks ----------------------------------------------------------------------------

    async def _guard(self) -> None:
        """Report each second; a loop that stands still for long ends the process.

        A frozen unit must not wake up and believe that nothing happened.
        """
        rounds = 0
        while True:
            rounds += 1
            if rounds == _SETTLED_ROUNDS:
                settle()
            faulthandler.dump_traceback_later(self.settings.freeze_after_s, exit=True)
            self.links.follow()
            with contextlib.suppress(TemporaryError):  # the journal is busy: the next round tells
                await self.reporting.round()
            self._say_conditions()
            await asyncio.sleep(_ROUND_S)

    async def _renew(self) -> None:
        while not self.settings.insecure:
            knows_the_time = self.uplink.state.connected and self.side.clock_skew_ms is not None
            if knows_the_time and await self.certificates.renew_if_due():
                self.uplink.reconnect()
            await asyncio.sleep(_RENEWAL_LOOK_S)

    def _start(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    # ---- what the parts ask for -------------------------------------------------------------

    def _may_read(self, link_uid: str) -> bool:
        """Say whether a link shall be read: always, unless another unit may read it, too."""
        return link_uid not in self.applying.effective.shared or self.ownership.reads(link_uid)

    def _use(self, document: Document) -> None:
        """Take limits and shared links of a document that becomes effective."""
        self.ownership.use(document.shared)
        quota = document.journal_quota_mib or self.settings.journal_quota_mib
        if quota << 20 != self.journal.usage().quota_bytes:
            self.journal.set_quota(quota << 20)

    async def _credentials(self) -> grpc.ChannelCredentials | None:
        if self.settings.insecure:
            return None
        self._slot = await self.certificates.ready()
        return credentials_of(self._slot)

    async def _connect_ownership(self, address: str) -> grpc.aio.Channel:
        slot = self.certificates.in_use()
        if slot is None and not self.settings.insecure:
            raise EnrolmentError("the unit has no certificate yet", reason="not_enrolled")
        credentials = None if slot is None else credentials_of(slot)
        return open_channel(address, credentials, OWNERSHIP_OPTIONS)

    def _welcomed(self) -> None:
        if self._slot is not None:
            self.certificates.welcomed(self._slot)

    def _configure(self, wanted: Configure) -> None:
        self._start(self._try_out(wanted))

    async def _try_out(self, wanted: Configure) -> None:
        await self.applying.try_out(wanted.version, wanted.hash, wanted.document)
        await self._tell()

    async def _tell(self) -> None:
        """Let the centre hear soon what became of a document."""
        with contextlib.suppress(TemporaryError):
            await self.reporting.round()
        self.side.beat_soon()
        self.uplink.wake()

    def _say_conditions(self) -> None:
        usage = self.journal.usage()
        full = "full: reading has stopped until the centre acknowledges, or the quota is raised"
        self._condition(
            "journal",
            good=not usage.alarm,
            message=full if usage.full else "nearly full" if usage.alarm else "",
        )
        state, refused = self.uplink.state, self.side.refusals
        message = state.last_error or "not connected yet"
        if state.connected and refused:
            message = "; ".join(refused.values())
        self._condition(
            "uplink",
            good=state.connected and not refused,
            message="" if state.connected and not refused else message,
        )
        report = self.applying.report
        self._condition(
            "configuration",
            good=report.state != "none" and not report.message,
            message="none yet" if report.state == "none" else report.message,
        )
        self._condition(
            "certificate",
            good=not self.certificates.problem,
            message=self.certificates.problem,
        )
        self._condition(
            "ownership", good=not self.ownership.problem, message=self.ownership.problem
        )


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody sends any more
        loop.call_soon_threadsafe(call)
