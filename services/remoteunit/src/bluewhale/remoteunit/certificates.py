"""Which certificate the unit shows, and when it gets the next one.

Owns enrolling, renewing, falling back to the valid slot, and when a refused handshake
is looked into. Each of these runs in a child process (`enrolment`, `handshake`). Does not own the files: `slots`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import grpc
from bluewhale.remoteunit.exceptions import EnrolmentError
from bluewhale.remoteunit.settings import RemoteUnitSettings
from bluewhale.remoteunit.slots import Slot, Slots
from bluewhale.telemetry import get_logger

CHILD_TIMEOUT_S = 240.0
CANDIDATE_TRIES = 3
FAILURES_DOUBTFUL = 3
_RENEW_RETRY_MS = 60_000
_ASK_WHY_MS = 60_000
_EXAMINE_S = 60.0
# how gRPC tells of a handshake that failed: ours, or the centre just hung up
_REFUSALS = ("handshake", "certificate", "verification", "socket closed", "reset by peer", "eof")
_AWAY = {"unreachable", "unavailable", "deadline_exceeded", "timeout"}


def clock_ms() -> int:
    """Give the time of day in UTC milliseconds."""
    return time.time_ns() // 1_000_000


class Certificates:
    """The credentials of this unit, over its whole life.

    `clock_ms` is the centre's time of day as far as it is known: ours may be wrong.
    """

    def __init__(
        self,
        settings: RemoteUnitSettings,
        slots: Slots,
        *,
        release: str,
        clock_ms: Callable[[], int] = clock_ms,
    ) -> None:
        self._settings, self._slots, self._release = settings, slots, release
        self._clock_ms = clock_ms
        self._tries = 0
        self._failures = 0  # attempts in a row that the centre did not welcome
        self._asked_at_ms = 0
        self._asked_why_at_ms = 0
        self._refused = False  # the latest attempt ended like one that TLS refuses
        self._examined_at_s = -_EXAMINE_S
        self._examined = ""  # what the latest look at the handshake said
        self.problem = ""  # why the certificates do not work, and what to do
        self._log = get_logger("certificates")

    @property
    def expires_at_ms(self) -> int:
        """When the certificate in use ends, UTC; 0 = there is none."""
        slot = self._slots.valid() or self._slots.candidate()
        return slot.not_after_ms if slot else 0

    async def ready(self) -> Slot:
        """Give the slot to connect with: a candidate first, else the valid one, else enrol.

        Raises
        ------
        EnrolmentError
            There is none and none could be had.
        """
        candidate = self._slots.candidate()
        if (used := candidate or self._slots.valid()) is not None:
            await self._examine(used)
        if candidate is not None:
            if self._tries < CANDIDATE_TRIES or self._slots.valid() is None:
                self._tries += 1
                return candidate
            self._log.warning("Candidate certificate does not work, the valid one goes on")
            self._slots.drop_candidate()
        self._tries = 0
        valid = self._slots.valid()
        if valid is None:
            return await self._enrol()
        now_ms = self._clock_ms()
        # The centre's clock judges a certificate, ours may be wrong: connect first.
        ended = valid.not_after_ms <= now_ms
        doubtful = self._failures >= (1 if ended else FAILURES_DOUBTFUL)
        if doubtful and now_ms - self._asked_why_at_ms >= _ASK_WHY_MS:
            self._asked_why_at_ms = now_ms
            return await self._ask_why(valid)
        return valid

    def in_use(self) -> Slot | None:
        """Give the slot that a second connection may show, None before the first enrolment."""
        return self._slots.valid() or self._slots.candidate()

    def not_welcomed(self, why: str = "") -> None:
        """Say that an attempt ended before the welcome, and with which words."""
        self._failures += 1
        self._refused = any(words in why.lower() for words in _REFUSALS)

    def welcomed(self, slot: Slot) -> None:
        """Say that the centre welcomed us with this slot."""
        self._tries = self._failures = 0
        self._refused = False
        self.problem = self._examined = ""
        candidate = self._slots.candidate()
        if candidate is not None and candidate.folder == slot.folder:
            try:
                self._slots.promote(candidate)
            except OSError as error:  # it stays the candidate, and is tried first next time
                self._log.error("Certificate is not noted on disk", error=str(error))
                return
            self._log.info("Certificate in use")

    async def renew_if_due(self) -> bool:
        """From half of the life on, get the next certificate; True = connect with it now."""
        valid, now_ms = self._slots.valid(), self._clock_ms()
        if (
            valid is None
            or self._slots.candidate() is not None
            or now_ms < valid.renew_at_ms
            or now_ms - self._asked_at_ms < _RENEW_RETRY_MS
        ):
            return False
        self._asked_at_ms = now_ms
        try:
            await self._ask({"slot": str(valid.folder)})
        except EnrolmentError as error:
            self._log.warning("Renewal failed", error=str(error))
            return False
        self._log.info("Certificate renewed")
        return True

    async def _examine(self, slot: Slot) -> None:
        """Look into a handshake that was refused: the words of gRPC name neither side nor reason."""
        if not self._refused or time.monotonic() - self._examined_at_s < _EXAMINE_S:
            return
        self._examined_at_s = time.monotonic()
        asked = {
            "unit_uid": self._settings.unit_uid,
            "centre": self._settings.centre,
            "slot": str(slot.folder),
            "now_ms": clock_ms(),  # our own: a wrong one is among the reasons
        }
        with suppress(EnrolmentError):  # nothing was learnt; the next attempt tells
            self._examined = str((await _child("handshake", asked))["problem"])
            self.problem = self._examined
        if self._examined:
            self._log.warning("Handshake refused", error=self._examined)

    async def _ask_why(self, valid: Slot) -> Slot:
        """Ask the enrolment door about a certificate that ended or is not taken.

        It gives a new one (a fresh token, or an approval), or the reason; with a
        reason the valid one is tried again, since our clock may be the wrong one.
        """
        try:
            if self._settings.read_token():
                with suppress(EnrolmentError):  # a token that was used already
                    return await self._enrol()
            return await self._ask({"slot": str(valid.folder), "expired": True})
        except EnrolmentError as error:
            if error.reason not in _AWAY:
                self.problem = str(error)
                if self._examined:
                    self.problem = f"{self._examined}; the centre says: {error}"
                self._log.warning("Certificate is not taken", error=str(error))
            return valid

    async def _enrol(self) -> Slot:
        token = self._settings.read_token()
        if not token:
            raise EnrolmentError(
                f"unit {self._settings.unit_uid} has no certificate and no token; on the centre: "
                f"bluewhale unit token {self._settings.unit_uid}; put it into token_file",
                reason="token_missing",
            )
        return await self._ask({"token": token})

    async def _ask(self, what: dict[str, object]) -> Slot:
        """Fill a new slot by a child process; it is the candidate then."""
        try:
            folder = self._slots.new()
        except OSError as error:
            raise EnrolmentError(f"{error}; make room or mend the folder", reason="disk") from error
        settings = self._settings
        asked = {
            "unit_uid": settings.unit_uid,
            "centre": settings.centre,
            "enrolment": settings.enrolment_address,
            "trust": None if settings.trust is None else str(settings.trust),
            "release": self._release,
            "folder": str(folder),
            "pending_key": str(folder.parent / "pending-key.pem"),
            **what,
        }
        try:
            about = await _child("enrolment", asked)
            self._slots.filled(folder, about)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise EnrolmentError(f"{error}; make room or mend the folder", reason="disk") from error
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._tries = 1
        made = self._slots.candidate()
        assert made is not None
        return made


def credentials_of(slot: Slot) -> grpc.ChannelCredentials:
    """Give what a channel shows and trusts."""
    return grpc.ssl_channel_credentials(
        slot.read("trust"), slot.read("key"), slot.read("certificate")
    )


async def _child(name: str, asked: dict[str, object]) -> dict[str, object]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"bluewhale.remoteunit.{name}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(CHILD_TIMEOUT_S):
            out, said = await child.communicate(json.dumps(asked).encode())
    except TimeoutError as error:
        raise EnrolmentError("the centre did not answer in time", reason="timeout") from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    try:
        answer = json.loads(out)
    except ValueError as error:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise EnrolmentError(f"{name} ended without an answer: {last}", reason="child") from error
    if "ok" not in answer:
        raise EnrolmentError(answer["error"], reason=answer["reason"])
    return dict(answer["ok"])
