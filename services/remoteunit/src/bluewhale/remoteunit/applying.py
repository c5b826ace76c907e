"""A new document: candidate, checked, then effective or rolled back, and reported.

Owns that order. A candidate whose links do not work changes nothing: the links
that run go on running. Does not own the links themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.capture import BluewhaleError
from bluewhale.remoteunit.document import Document, LastGood, read_document
from bluewhale.remoteunit.exceptions import CandidateError
from bluewhale.remoteunit.links import Links, problem_of
from bluewhale.telemetry import get_logger

_BROKEN_AFTER_S = 0.2  # a listener that cannot listen says so at once


class Applying:
    """Which document is in effect, and what became of the last candidate.

    `used` is called with each document that becomes effective.
    """

    def __init__(
        self,
        links: Links,
        last_good: LastGood,
        *,
        check_timeout_s: float,
        used: Callable[[Document], None],
    ) -> None:
        self._links, self._last_good = links, last_good
        self._check_timeout_s = check_timeout_s
        self._used = used
        self._changing = asyncio.Lock()
        self._log = get_logger("configuration")
        self.effective = Document()
        self.report = pb.ConfigurationReport(state="none")

    async def start(self) -> None:
        """Use the last good document, without any check: it worked before."""
        document = self._last_good.load()
        if document.hash:
            await self._use(document)
            self._tell(document, "effective")

    async def try_out(self, version: int, digest: str, content: bytes) -> None:
        """Take a candidate from the centre; what it became is in `report`."""
        async with self._changing:
            self.report = pb.ConfigurationReport(
                desired_version=version,
                desired_hash=digest,
                effective_version=self.effective.version,
                effective_hash=self.effective.hash,
                state="candidate",
            )
            before = self.effective
            try:
                document = read_document(version, digest, content)
                await self._check(document)
                await self._use(document)
                await self._check_running(document, before)
            except BluewhaleError as error:
                if self.effective is not before:
                    await self._use(before)
                self.report.state = "rolled_back"
                self.report.message = str(error)
                self._log.warning("Document rolled back", error=str(error), error_code=error.code)
                return
            try:
                await asyncio.to_thread(self._last_good.save, document)
            except OSError as error:  # the disk is full: it works now, a restart asks again
                self._log.error("Document is not on disk", error=str(error))
            self._tell(document, "effective")
            self._log.info("Document in effect", links=len(document.links))

    async def _check(self, document: Document) -> None:
        """Ask every new or changed link whether it could run."""
        changed = {
            uid: link
            for uid, link in document.links.items()
            if self.effective.links.get(uid) != link
        }
        leaving = [
            uid for uid, link in self.effective.links.items() if document.links.get(uid) != link
        ]
        own_ports = {at[1] for uid in leaving if (at := self._links.address_of(uid)) is not None}
        problems = await asyncio.gather(
            *(problem_of(link, own_ports, self._check_timeout_s) for link in changed.values())
        )
        if wrong := [text for text in problems if text]:
            raise CandidateError("; ".join(wrong))

    async def _use(self, document: Document) -> None:
        self.effective = document
        self._used(document)
        await self._links.use(document.links)

    async def _check_running(self, document: Document, before: Document) -> None:
        """Look whether a listener that was free a moment ago is ours now."""
        changed = [u for u, link in document.links.items() if before.links.get(u) != link]
        if not changed:
            return
        await asyncio.sleep(_BROKEN_AFTER_S)
        states = self._links.states()
        wrong = [
            f"{uid}: {states[uid][1].last_error}"
            for uid in changed
            if document.links[uid]["connector"]["type"]
            in {"tcp_server", "syslog_tcp", "syslog_udp"}
            and states[uid][1].listening_on is None
            and states[uid][1].last_error
        ]
        if wrong:
            raise CandidateError("; ".join(wrong))

    def _tell(self, document: Document, state: str) -> None:
        self.report = pb.ConfigurationReport(
            desired_version=document.version,
            desired_hash=document.hash,
            effective_version=document.version,
            effective_hash=document.hash,
            state=state,
        )
