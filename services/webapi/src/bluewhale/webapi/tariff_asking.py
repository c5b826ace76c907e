"""Questions to the service of tariffs, and its answers as shapes.

Owns packing of files on their way. Does not own what a tariff is (`bluewhale.rating`)
or who may activate one (`routes.tariffs`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import zstandard
from bluewhale.api.tariffs.v1 import tariffs_pb2 as api
from bluewhale.webapi import shapes_tariffs as shapes
from bluewhale.webapi.asking import told
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.saying import instant, known, money, step
from bluewhale.webapi.shapes import TariffVersion

if TYPE_CHECKING:
    from bluewhale.webapi.shapes_tariffs import FilesBody

TIMEOUT_S = 120.0  # a million rates are read in seconds, on a busy machine in more
PREVIEW_TIMEOUT_S = 3_600.0
FILES_BYTES_MAX = 256 << 20  # what the service takes, unpacked
MESSAGE_BYTES_MAX = 15 << 20  # of one request, packed
PAGE = 1_000
Say = Callable[[api.Version], shapes.Tariff]


def packed(body: FilesBody) -> api.Files:
    """Pack the files of a body.

    Raises
    ------
    RefusedError
        `body_invalid`: no base64; `too_large`.
    """
    files, total = [], 0
    for file in body.files:
        try:
            plain = base64.b64decode(file.content, validate=True)
        except binascii.Error as error:
            fields = [{"field": f"files.{file.name}", "problem": "is no base64"}]
            raise RefusedError("body_invalid", params={"fields": fields}) from error
        total += len(plain)
        files.append(api.File(name=file.name, zstd=zstandard.compress(plain)))
    made = api.Files(files=files)
    if total > FILES_BYTES_MAX or made.ByteSize() > MESSAGE_BYTES_MAX:
        raise RefusedError("too_large", "the files of a tariff, together")
    return made


class TariffQuestions:
    """The service of tariffs; `peer(name)` gives a stub. Any thread."""

    def __init__(self, peer: Callable[[str], Any]) -> None:
        self._peer = peer

    def listed(self) -> list[api.Version]:
        """Give all stored versions."""
        found: list[api.Version] = []
        token = ""
        while True:
            request = api.ListRequest(page_size=PAGE, page_token=token)
            with told():
                reply = self._peer("tariffs").List(request, timeout=TIMEOUT_S)
            found += reply.versions
            token = reply.next_page_token
            if not token:
                return found

    def version(self, uid: str, number: int) -> api.Version:
        """Give one stored version."""
        request = api.ListRequest(tariff_uid=uid, version=number)
        with told():
            reply = self._peer("tariffs").List(request, timeout=TIMEOUT_S)
        found: api.Version = reply.versions[0]
        return found

    def check(self, source: api.Files | api.VersionName, say: Say) -> shapes.Check:
        """Say everything that is wrong with a tariff, and what it would change."""
        with told():
            reply = self._peer("tariffs").Validate(
                api.ValidateRequest(**_source(source)), timeout=TIMEOUT_S
            )
        return shapes.Check(
            good=reply.good,
            mistakes=[_finding(f) for f in reply.mistakes],
            mistake_count=reply.mistake_count,
            warnings=[_finding(f) for f in reply.warnings],
            draft=say(reply.version) if reply.HasField("version") else None,
            change=_change(reply.change) if reply.HasField("change") else None,
        )

    def keep(self, files: api.Files, who: str) -> api.Version:
        """Store a tariff; nothing is priced by it yet."""
        request = api.ActivateRequest(files=files, keep_only=True, who=who)
        with told():
            found: api.Version = self._peer("tariffs").Activate(request, timeout=TIMEOUT_S).version
        return found

    def activate(self, uid: str, number: int, who: str) -> api.Version:
        """Price by a stored version from its effective date on."""
        request = api.ActivateRequest(stored=_name(uid, number), who=who)
        with told():
            found: api.Version = self._peer("tariffs").Activate(request, timeout=TIMEOUT_S).version
        return found

    def preview(
        self, uid: str, number: int, from_ms: int, until_ms: int, differences: int
    ) -> Iterator[shapes.PreviewLine]:
        """Say what the calls of a period would have cost: progress, then a summary."""
        request = api.PreviewRequest(
            stored=_name(uid, number), from_ms=from_ms, until_ms=until_ms, differences=differences
        )
        with told():
            replies = self._peer("tariffs").Preview(request, timeout=PREVIEW_TIMEOUT_S)
        try:
            while True:
                with told():
                    reply = next(replies, None)
                if reply is None:
                    return
                yield _preview(reply)
        finally:
            replies.cancel()

    def attempt(self, request: api.TryRequest) -> shapes.Trials:
        """Say what one call would cost on every price list."""
        with told():
            reply = self._peer("tariffs").Try(request, timeout=TIMEOUT_S)
        return shapes.Trials(trials=[_trial(t) for t in reply.trials])


def _name(uid: str, number: int) -> api.VersionName:
    return api.VersionName(tariff_uid=uid, version=number)


def _source(source: api.Files | api.VersionName) -> dict[str, Any]:
    return {"files" if isinstance(source, api.Files) else "stored": source}


def _finding(f: api.Finding) -> shapes.Finding:
    return shapes.Finding(
        file=f.file,
        line=f.line or None,
        field=f.field,
        value=known(f, "value"),
        problem=f.problem,
        remedy=f.remedy,
        text=f.text,
    )


def _change(c: api.Change) -> shapes.Change:
    return shapes.Change(
        against=TariffVersion(uid=c.against.tariff_uid, version=c.against.version),
        heading=list(c.heading),
        **{
            name: getattr(c, name)
            for name in ("added", "removed", "dearer", "cheaper", "other_terms", "same")
        },
    )


def _preview(reply: api.PreviewReply) -> shapes.PreviewLine:
    if reply.WhichOneof("what") == "progress":
        p = reply.progress
        return shapes.PreviewLine(
            progress=shapes.Progress(
                calls=p.calls, changed=p.changed, reached=instant(p.reached_ms or None)
            )
        )
    s = reply.summary
    return shapes.PreviewLine(
        summary=shapes.PreviewSummary(
            price_list=s.price_list,
            calls=s.calls,
            changed=s.changed,
            sums=[
                shapes.Sum(
                    before=money(x.before, x.currency),
                    after=money(x.after, x.currency),
                    difference=money(x.difference, x.currency),
                    unpriced_before=x.unrated_before,
                    unpriced_after=x.unrated_after,
                )
                for x in s.sums
            ],
            differences=[
                shapes.Difference(
                    call_id=d.call_id,
                    started_at=instant(d.started_at_ms),
                    called=d.called,
                    before=money(d.before, d.currency),
                    after=money(d.after, d.currency),
                    difference=money(d.difference, d.currency),
                    reason=d.reason,
                )
                for d in s.differences
            ],
        )
    )


def _trial(t: api.Trial) -> shapes.Trial:
    uid = known(t, "tariff_uid")
    return shapes.Trial(
        price_list=t.price_list,
        status=t.status,
        reason=known(t, "reason"),
        money=None if t.status == "unrated" else money(t.amount, known(t, "currency")),
        exact=t.exact,
        tariff=None if uid is None else TariffVersion(uid=uid, version=t.tariff_version),
        prefix=known(t, "prefix"),
        text=t.text,
        steps=[step(s) for s in t.steps],
    )
