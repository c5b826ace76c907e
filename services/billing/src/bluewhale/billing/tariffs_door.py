"""The Tariffs service: requests in, messages out.

A thin door: `bluewhale.rating` checks and prices, `bluewhale.jobs` knows what is
stored, `uploads` unpacks, `tariff_answers` says it. Owns who is kept as the
author of a change, and how many tariffs are worked on at once. Runs in any thread.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from bluewhale.api.tariffs.v1 import tariffs_pb2 as api
from bluewhale.api.tariffs.v1 import tariffs_pb2_grpc as doors
from bluewhale.billing import tariff_answers as answers
from bluewhale.billing.uploads import received
from bluewhale.capture.exceptions import BluewhaleError, InputError, TemporaryError
from bluewhale.jobs.explaining import call_named, explained
from bluewhale.jobs.previewing import Preview
from bluewhale.jobs.tariffs import (
    StoredVersions,
    draft_number,
    keep,
    laid_out,
    stored_beside,
    stored_version,
)
from bluewhale.nexus.governance import current
from bluewhale.rating.book import PriceBook
from bluewhale.rating.diff import diff_versions
from bluewhale.rating.preview import Selectors, try_number
from bluewhale.rating.tariff_files import check_tariff, load_tariff
from bluewhale.records.enums import CallClass, Direction
from bluewhale.records.exceptions import IdTextError
from bluewhale.records.ids import parse_id_text
from bluewhale.telemetry import get_logger
from typing_extensions import override

if TYPE_CHECKING:
    from pathlib import Path

    import grpc
    from bluewhale.database import Store, StoredTariff
    from bluewhale.rating.tariff import TariffVersion
    from bluewhale.stages import Stages

WORKS_MAX = 2  # tariffs that are read or previewed at once: each may hold a gigabyte
PAGE_DEFAULT, PAGE_MAX = 100, 1_000
DIFFERENCES_DEFAULT, DIFFERENCES_MAX = 20, 1_000
WORD_LETTERS_MAX = 200
CONNECTED_DEFAULT_MS, CONNECTED_MAX_MS = 60_000, 30 * 86_400_000
_YEAR_3000_MS = 32_503_680_000_000
Sourced = api.ValidateRequest | api.PreviewRequest | api.TryRequest | api.ActivateRequest


class Pricing(Protocol):
    """What this process prices with."""

    look_every_ms: int  # how often other processes look for an activated version; 0 = none do

    @property
    def store(self) -> Store:
        """The main database."""
        ...

    def stages(self) -> Stages:
        """Give what charges are made with now."""
        ...

    def refresh(self) -> None:
        """Take what is in use now, at once."""
        ...


class BusyError(TemporaryError):
    """As many tariffs are being worked on as may be at once."""

    code = "tariffs_busy"


class TariffsDoor(doors.TariffsServicer):
    """Serves bluewhale.api.tariffs.v1.Tariffs."""

    def __init__(self, pricing: Pricing) -> None:
        self._pricing = pricing
        self._versions = StoredVersions()
        self._works = threading.BoundedSemaphore(WORKS_MAX)
        self._log = get_logger("billing")

    @override
    def Validate(
        self, request: api.ValidateRequest, context: grpc.ServicerContext
    ) -> api.ValidateReply:
        with self._document(request) as document:
            found = check_tariff(document)
            reply = api.ValidateReply(
                good=found.version is not None,
                mistakes=answers.findings(found.mistakes),
                mistake_count=found.count,
                warnings=answers.findings(found.warnings),
            )
            if found.version is not None:
                self._say_change(reply, document, found.version)
            return reply

    @override
    def Preview(
        self, request: api.PreviewRequest, context: grpc.ServicerContext
    ) -> Iterator[api.PreviewReply]:
        if not 0 <= request.from_ms < request.until_ms <= _YEAR_3000_MS:
            raise InputError("from_ms must be 0 or more and before until_ms")
        if not 0 <= request.differences <= DIFFERENCES_MAX:
            raise InputError(
                f"differences = {request.differences}: 1 to {DIFFERENCES_MAX:,}, or 0 for"
                f" {DIFFERENCES_DEFAULT}"
            )
        store = self._pricing.store
        with self._document(request) as document:
            version = load_tariff(document)
            preview = Preview(
                store,
                self._pricing.stages(),
                replace(version, version=draft_number(store, document, version)),
                from_ms=request.from_ms,
                until_ms=request.until_ms,
                biggest=request.differences or DIFFERENCES_DEFAULT,
                now_ms=_now_ms(),
            )
            more = True
            while more:
                more = preview.step()
                if not context.is_active():
                    return
                yield api.PreviewReply(
                    progress=api.Progress(
                        calls=preview.calls, changed=preview.changed, reached_ms=preview.reached_ms
                    )
                )
            yield api.PreviewReply(summary=answers.summary(preview))

    @override
    def Try(self, request: api.TryRequest, context: grpc.ServicerContext) -> api.TryReply:
        number = _word("number", request.number)
        if not number:
            raise InputError("number: say which, in international form such as +49 30 23125 042")
        at_ms = request.at_ms if request.HasField("at_ms") else _now_ms()
        if not 0 <= at_ms <= _YEAR_3000_MS:
            raise InputError(f"at_ms = {at_ms}: milliseconds since 1970, UTC")
        connected_ms = (
            request.connected_ms if request.HasField("connected_ms") else CONNECTED_DEFAULT_MS
        )
        if not 0 <= connected_ms <= CONNECTED_MAX_MS:
            raise InputError(f"connected_ms = {connected_ms}: 0 to {CONNECTED_MAX_MS} (30 days)")
        selectors = Selectors(
            carrier=_optional(request, "carrier"),
            trunk_group=_optional(request, "trunk_group"),
            call_class=_one_of("call_class", _optional(request, "call_class"), CallClass),
            subscriber=_optional(request, "subscriber"),
            direction=_one_of("direction", _optional(request, "direction"), Direction)
            or str(Direction.OUTBOUND),
        )
        trials = try_number(
            self._book(request),
            number,
            at=datetime.fromtimestamp(at_ms / 1000, UTC),
            quantity_ms=connected_ms,
            selectors=selectors,
        )
        return api.TryReply(trials=[answers.trial(t) for t in trials])

    @override
    def Activate(
        self, request: api.ActivateRequest, context: grpc.ServicerContext
    ) -> api.ActivateReply:
        who, store = _author(_word("who", request.who)), self._pricing.store
        before = {(t.tariff_uid, t.version): t.state for t in store.list_tariffs()}
        stored = self._kept(request, context, who)
        if not request.keep_only:
            stored = store.activate_tariff(
                stored.tariff_uid, stored.version, who=who, now_ms=_now_ms()
            )
        was = before.get((stored.tariff_uid, stored.version))
        reply = api.ActivateReply(version=answers.version(stored), changed=was != stored.state)
        if not request.keep_only:
            reply.others_look_every_ms = self._pricing.look_every_ms
            reply.in_use_since_ms = self._taken(stored)
        return reply

    @override
    def List(self, request: api.ListRequest, context: grpc.ServicerContext) -> api.ListReply:
        store, uid, number = (
            self._pricing.store,
            _word("tariff_uid", request.tariff_uid),
            request.version,
        )
        if not 0 <= request.page_size <= PAGE_MAX:
            raise InputError(f"page_size = {request.page_size}: 1 to {PAGE_MAX:,}, or 0 for 100")
        if (number or request.with_files) and not uid:
            raise InputError(
                "tariff_uid: say of which tariff, where you name a version or want files"
            )
        if request.with_files:
            one = self._stored(uid, number)
            files = store.tariff_files(one.tariff_uid, one.version)
            return api.ListReply(versions=[answers.version(one, files)])
        found = [
            t
            for t in store.list_tariffs()
            if uid in {"", t.tariff_uid} and number in {0, t.version}
        ]
        if uid and not found:
            self._stored(uid, number)  # says that there is none
        after = _place(request.page_token)
        left = [t for t in found if (t.tariff_uid, t.version) > after]
        size = request.page_size or PAGE_DEFAULT
        last = left[:size][-1:]
        return api.ListReply(
            versions=[answers.version(t) for t in left[:size]],
            next_page_token=f"{last[0].tariff_uid}@{last[0].version}" if len(left) > size else "",
        )

    @override
    def Explain(
        self, request: api.ExplainRequest, context: grpc.ServicerContext
    ) -> api.ExplainReply:
        kind, store = request.WhichOneof("what"), self._pricing.store
        if kind is None:
            raise InputError("what: name a call or a charge_id")
        if kind == "call":
            call_id, charge_id = call_named(store, _word("call", request.call)), None
        else:
            charge_id = _id("charge_id", request.charge_id)
            call_id = store.call_of_charge(charge_id)
        head, found = explained(store, call_id, self._versions.get)
        chosen = [e for e in found if charge_id in {None, e.charge["charge_id"]}]
        return answers.explanation(head, chosen)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Hold one of the places for reading a tariff.

        Raises
        ------
        BusyError
            All are taken.
        """
        if not self._works.acquire(blocking=False):
            raise BusyError(
                f"{WORKS_MAX} tariffs are being read or previewed already; try again in a moment"
            )
        try:
            yield
        finally:
            self._works.release()

    # ---- inside ------------------------------------------------------------------------

    @contextlib.contextmanager
    def _document(self, request: Sourced) -> Iterator[Path]:
        """Lay out the files that a request brings or names; gives the path of the document."""
        kind = request.WhichOneof("source")
        if kind is None:
            raise InputError("source: send files, or name a stored version")
        with self.working():
            if kind == "files":
                files = received(request.files)
            else:
                one = self._stored(request.stored.tariff_uid, request.stored.version)
                files = self._pricing.store.tariff_files(one.tariff_uid, one.version)
            with laid_out(files) as document:
                yield document

    def _book(self, request: api.TryRequest) -> PriceBook | TariffVersion:
        if request.WhichOneof("source") is None:
            return self._pricing.stages().book
        with self._document(request) as document:
            return load_tariff(document)

    def _kept(
        self, request: api.ActivateRequest, context: grpc.ServicerContext, who: str
    ) -> StoredTariff:
        """Give the stored version that a request means, free of mistakes; files are stored."""
        with self._document(request) as document:
            version = load_tariff(document)
            if not context.is_active():
                raise BusyError(
                    "the caller went away before the tariff was stored; nothing changed"
                )
            if request.WhichOneof("source") == "files":
                return keep(self._pricing.store, document, version, who)
        if request.keep_only:
            raise InputError("keep_only: this version is stored already")
        return self._stored(request.stored.tariff_uid, request.stored.version)

    def _stored(self, tariff_uid: str, number: int) -> StoredTariff:
        """Give a stored version; number 0 = the newest."""
        return self._pricing.store.get_tariff(_word("tariff_uid", tariff_uid), number or None)

    def _taken(self, stored: StoredTariff) -> int:
        """Price by what is in use from now on; gives since when, 0 = at the next look."""
        try:
            self._pricing.refresh()
        except BluewhaleError as error:  # it stands in the main database all the same
            self._log.warning(
                "Tariff activated, used at the next look",
                tariff_uid=stored.tariff_uid,
                tariff_version=stored.version,
                error=str(error),
                error_code=error.code,
            )
            return 0
        return _now_ms()

    def _say_change(self, reply: api.ValidateReply, document: Path, version: TariffVersion) -> None:
        store = self._pricing.store
        same, against = stored_beside(store, document, version)
        reply.version.CopyFrom(answers.draft(version, 0 if same is None else same.version))
        if same is not None:
            reply.version.CopyFrom(answers.version(same))
        if against is not None:
            old = stored_version(store, against.tariff_uid, against.version)
            reply.change.CopyFrom(answers.change(against, diff_versions(old, version)))


def _author(who: str) -> str:
    """Give who is kept in the audit: the operator of the certificate, or whom the caller names."""
    identity = current().identity
    if identity.startswith("operator/"):
        return identity
    return who or identity or "unknown"


def _optional(request: api.TryRequest, name: Any) -> str | None:
    return _word(name, getattr(request, name)) if request.HasField(name) else None


def _word(name: str, value: str) -> str:
    if len(value) > WORD_LETTERS_MAX or not (value == "" or value.isprintable()):
        raise InputError(f"{name}: at most {WORD_LETTERS_MAX} printable letters")
    return value.strip()


def _one_of(name: str, value: str | None, known: Any) -> str | None:
    words = [str(word) for word in known]
    if value is not None and value not in words:
        raise InputError(f"{name} = {value!r}: one of {', '.join(words)}")
    return value


def _id(name: str, text: str) -> bytes:
    try:
        return parse_id_text(text.strip().lower())
    except IdTextError as error:
        raise InputError(f"{name}: {error}") from None


def _place(token: str) -> tuple[str, int]:
    if not token:
        return "", 0
    uid, _, number = token.rpartition("@")
    if not uid or not number.isdecimal():
        raise InputError(f"page_token = {token[:60]!r}: hand in `next_page_token` as it is")
    return uid, int(number)


def _now_ms() -> int:
    return int(time.time() * 1000)
