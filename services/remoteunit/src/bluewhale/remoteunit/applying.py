"""A new document: candidate, each link checked, then effective or rolled back, and reported.

Owns that order, and trying again what did not work. The rule:

1. A document that is damaged or asks for what it may not is rolled back whole.
2. Each new or changed link is checked alone. A changed one that could not run keeps
   the setting that it had; a new one is started all the same and tries again by itself.
3. If none of them could run while links run already, the document is rolled back whole:
   the links that it takes away go on, too.
4. What did not work is named in the report and tried again, until it works or another
   document comes.

Does not own the links themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.remoteunit.document import Document, LastGood, read_document
from bluewhale.remoteunit.exceptions import DocumentRefusedError
from bluewhale.remoteunit.links import LISTENERS, Links, problem_of
from bluewhale.telemetry import get_logger

RETRY_S_MIN = 2.0
RETRY_S_MAX = 60.0
_BROKEN_AFTER_S = 0.2  # a listener that cannot listen says so at once

Entries = Mapping[str, Mapping[str, Any]]  # of links, by link_uid


class Applying:
    """Which document is in effect, and what became of the last candidate.

    `used` is called with each document that becomes effective, `told` after each
    change of `report` that nobody asked for.
    """

    def __init__(
        self,
        links: Links,
        last_good: LastGood,
        *,
        check_timeout_s: float,
        used: Callable[[Document], None],
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._links, self._last_good = links, last_good
        self._check_timeout_s = check_timeout_s
        self._used, self._told = used, told
        self._changing = asyncio.Lock()
        self._again = asyncio.Event()
        self._candidate: Document | None = None  # some of its links do not work yet
        self._failed: Mapping[str, str] = {}  # what those say, by link_uid
        self._log = get_logger("configuration")
        self.effective = Document()
        self.report = pb.ConfigurationReport(state="none")

    async def start(self) -> None:
        """Use the last good document, without any check: it worked before."""
        document = self._last_good.load()
        if document.hash:
            await self._use(document)
            self.report = self._report(document, "effective")
            if document.held:
                self._try_again(document)

    async def try_out(self, version: int, digest: str, content: bytes) -> None:
        """Take a candidate from the centre; what it became is in `report`."""
        async with self._changing:
            self._candidate = None
            self._failed = {}
            announced = Document(version, digest)
            self.report = self._report(announced, "candidate")
            try:
                document = read_document(version, digest, content)
            except DocumentRefusedError as error:
                self.report = self._report(announced, "rolled_back", str(error))
                self._log.warning("Document refused", error=str(error), error_code=error.code)
                return
            await self._apply(document)

    async def retry(self) -> None:
        """Try again what did not work, ever less often, until cancelled."""
        while True:
            await self._again.wait()
            self._again.clear()
            wait_s, candidate = RETRY_S_MIN, self._candidate
            while candidate is not None and candidate is self._candidate:
                await asyncio.sleep(wait_s)
                wait_s = min(RETRY_S_MAX, 2 * wait_s)
                async with self._changing:
                    if candidate is not self._candidate:
                        break
                    before = self.report.SerializeToString()
                    await self._apply(candidate)
                    if self.report.SerializeToString() != before:
                        self._told()

    # ---- one attempt -----------------------------------------------------------------------

    async def _apply(self, document: Document) -> None:
        """Bring a document into effect as far as its links work."""
        before = self.effective
        fresh = {u: link for u, link in document.links.items() if before.running.get(u) != link}
        failed = await self._check(document, fresh)
        await self._take(document, before, fresh, failed)
        if late := await self._broken(fresh.keys() - failed.keys()):
            failed |= late
            await self._take(document, before, fresh, failed)
        failed |= await self._still_failing(document, fresh)
        if failed and failed != self._failed:
            self._log.warning("Links of the document do not work", error="; ".join(failed.values()))
        self._failed = failed
        if failed:
            self._try_again(document)
        else:
            self._candidate = None
        rolled_back = self.effective.hash != document.hash
        self.report = self._report(
            document, "rolled_back" if rolled_back else "effective", "; ".join(failed.values())
        )
        if self.effective is before:
            return
        self._log.info("Document in effect", links=len(document.links) - len(failed))
        try:
            await asyncio.to_thread(self._last_good.save, self.effective)
        except OSError as error:  # the disk is full: it works now, a restart asks again
            self._log.error("Document is not on disk", error=str(error))

    async def _take(
        self, document: Document, before: Document, fresh: Entries, failed: Mapping[str, str]
    ) -> None:
        """Use what works of a document; all of what was before if nothing of it does."""
        nothing_works = bool(fresh) and failed.keys() >= fresh.keys()
        if nothing_works and before.links:
            wanted = before
        else:
            held = {u: before.running[u] for u in failed if u in before.running}
            wanted = replace(document, held=held)
        if wanted is not self.effective:
            await self._use(wanted)

    async def _use(self, document: Document) -> None:
        self.effective = document
        self._used(document)
        await self._links.use(document.running)

    # ---- what works ------------------------------------------------------------------------

    async def _check(self, document: Document, fresh: Entries) -> dict[str, str]:
        """Ask every new or changed link whether it could run; give what those say that cannot."""
        running = self.effective.running
        failed: dict[str, str] = {}
        asked = list(fresh)
        while True:
            # a port is free for a link if the link that listens there leaves it
            leaving = [
                uid
                for uid in running
                if uid not in failed and (uid in fresh or uid not in document.links)
            ]
            ports = {at[1] for uid in leaving if (at := self._links.address_of(uid)) is not None}
            said = await asyncio.gather(
                *(problem_of(fresh[uid], ports, self._check_timeout_s) for uid in asked)
            )
            wrong = {uid: text for uid, text in zip(asked, said, strict=True) if text}
            failed |= wrong
            if not any(uid in running for uid in wrong):
                return failed
            # a link stays that was to leave its port: who counted on that is asked again
            asked = [
                uid
                for uid in fresh
                if uid not in failed and fresh[uid]["connector"]["type"] in LISTENERS
            ]

    async def _broken(self, fresh: Collection[str]) -> dict[str, str]:
        """Look whether listeners whose port was free a moment ago have it now."""
        if not fresh:
            return {}
        await asyncio.sleep(_BROKEN_AFTER_S)
        running = self.effective.running
        return {
            uid: problem
            for uid in fresh
            if running.get(uid, {}).get("connector", {}).get("type") in LISTENERS
            and (problem := self._links.problem(uid))
        }

    async def _still_failing(self, document: Document, fresh: Entries) -> dict[str, str]:
        """Ask links that were started although they could not run, and try by themselves."""
        found = {}
        for uid in self._failed.keys() & document.links.keys() - fresh.keys():
            if document.links[uid]["connector"]["type"] == "folder":
                problem = await problem_of(document.links[uid], (), self._check_timeout_s)
            else:
                problem = self._links.problem(uid)
            if problem:
                found[uid] = problem
        return found

    # ---- what is told ----------------------------------------------------------------------

    def _try_again(self, document: Document) -> None:
        self._candidate = document
        self._again.set()

    def _report(self, desired: Document, state: str, message: str = "") -> pb.ConfigurationReport:
        return pb.ConfigurationReport(
            desired_version=desired.version,
            desired_hash=desired.hash,
            effective_version=self.effective.version,
            effective_hash=self.effective.hash,
            state=state,
            message=message,
        )
