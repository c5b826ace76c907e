"""Telling channels of alerts, and noticing PBXs that fell silent: beside the path of records.

Owns the loop: which messages are due, when they are tried again, when they are given
up; how often silence is looked for, and old alerts removed. What is to be told stands in the main database, so
a restart loses nothing and sends nothing again; of several processes one sends each.
Whoever breaks off between sending and noting it may send a message twice: its delivery
id is the same then. Does not own how a channel is spoken to (`channels`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bluewhale.alerting import Heard, SilentPbxRule, silence
from bluewhale.billing.alert_messages import CALLS_TOLD, Message
from bluewhale.billing.channels import ChannelError, send
from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.database import NotFoundError, pbx_hours
from bluewhale.database.alerts import Alerts, Delivery
from bluewhale.telemetry import get_logger

if TYPE_CHECKING:
    from bluewhale.billing.alerts_door import Judging
    from bluewhale.configuration.alerting import Channel
    from bluewhale.telemetry import Metrics

LOOK_S = 0.5
SILENCE_LOOK_S = 5.0
FORGET_S = 3_600.0
SENDERS = 4  # a channel that hangs holds one of them for its time-out
TAKEN_MS = 60_000  # a message that was taken and not noted is free again then
FIRST_WAIT_MS, WAIT_MAX_MS = 5_000, 3_600_000
ATTEMPTS_MAX = 20  # over about 12 hours


def wait_ms(attempts: int) -> int | None:
    """Give the pause before the next attempt; None = it is given up."""
    if attempts >= ATTEMPTS_MAX:
        return None
    return int(min(FIRST_WAIT_MS * 2 ** (attempts - 1), WAIT_MAX_MS))


class Telling:
    """One thread calls `run`; it needs the main database, and waits for it."""

    def __init__(
        self,
        judging: Judging,
        metrics: Metrics,
        *,
        page: str = "",
        sending: Callable[[Channel, Message], None] = send,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
        follows_data_time: bool = False,
        kept_days: int = 365,
    ) -> None:
        self._judging = judging
        self._metrics = metrics
        self._page = page
        self._sending = sending
        self._clock_ms = clock_ms
        # records travel through a log: what is on its way is not silence
        self._follows_data_time = follows_data_time
        self._silence_at_s = 0.0
        self._forget_at_s = self._tidy_at_s = 0.0
        self._kept_ms = kept_days * 86_400_000
        self._log = get_logger("billing")
        self._failed = ""

    def run(self, stopping: threading.Event) -> None:
        """Look again and again until told to stop."""
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="telling") as senders:
            while not stopping.is_set():
                try:
                    self.look_for_silence()
                    busy = self.step(senders) or self.tidy() > 0
                    self._failed = ""
                except BluewhaleError as error:
                    busy = False
                    if not self._failed:
                        self._log.warning("Alerts wait to be told", error=str(error))
                    self._failed = str(error)
                if not busy:
                    stopping.wait(LOOK_S)

    def step(self, senders: ThreadPoolExecutor) -> bool:
        """Send what is due; tell whether anything was."""
        alerts = Alerts(self._judging.store.db)
        due = alerts.due(now_ms=self._clock_ms())
        list(senders.map(lambda one: self._send(alerts, one), due))
        return bool(due)

    def look_for_silence(self) -> None:
        """Open alerts of PBXs that fell silent, close those of PBXs that speak again."""
        now_s = time.monotonic()
        rules = [r for r in self._judging.alerting.rules.live if isinstance(r, SilentPbxRule)]
        if not rules or now_s < self._silence_at_s:
            return
        self._silence_at_s = now_s + SILENCE_LOOK_S
        store, clock_ms = self._judging.store, self._clock_ms()
        now_ms = clock_ms
        if self._follows_data_time:
            data_time = store.data_time_ms()
            now_ms = clock_ms if data_time is None else min(clock_ms, data_time)
        heard = store.run_read(lambda tx: pbx_hours.heard(tx, now_ms))
        site_of = {
            row[0]: row[1]
            for row in store.run_read(lambda tx: tx.rows("SELECT pbx_uid, site_uid FROM link"))
        }
        alerts = Alerts(store.db)
        for pbx_uid, (last_at, hours) in sorted(heard.items()):
            if pbx_uid not in site_of:
                continue  # it is in no configuration any more
            about = Heard(pbx_uid, site_of[pbx_uid], last_at, hours)
            found = [f for rule in rules if (f := silence(rule, about, now_ms)) is not None]
            if found:
                alerts.note(found, now_ms=clock_ms)
            alerts.heard_again(pbx_uid, last_at, now_ms=clock_ms)
        if now_s >= self._forget_at_s:
            self._forget_at_s = now_s + FORGET_S
            store.run_write(lambda tx: pbx_hours.forget(tx, clock_ms))

    def tidy(self) -> int:
        """Remove some alerts that are too old, once an hour until none is left; gives the count."""
        now_s = time.monotonic()
        if now_s < self._tidy_at_s:
            return 0
        gone = Alerts(self._judging.store.db).forget(self._clock_ms() - self._kept_ms)
        if gone:
            self._log.info("Old alerts removed", count=gone)
        else:
            self._tidy_at_s = now_s + FORGET_S
        return gone

    def _send(self, alerts: Alerts, delivery: Delivery) -> None:
        now_ms = self._clock_ms()
        if not alerts.take(delivery, until_ms=now_ms + TAKEN_MS, now_ms=now_ms):
            return
        channel = self._judging.alerting.channels.get(delivery.channel)
        error, again_ms = "", None
        if channel is None:
            error = "this channel is not declared any more"
        else:
            try:
                self._sending(channel, self._message(alerts, delivery))
            except ChannelError as failed:
                error, again_ms = str(failed), wait_ms(delivery.attempts + 1)
                self._log.warning(
                    "Channel did not take an alert",
                    error=error,
                    error_code=failed.code,
                    attempt=delivery.attempts + 1,
                    retry_after_ms=again_ms,
                )
        now_ms = self._clock_ms()
        again_at = None if again_ms is None else now_ms + again_ms
        outcome = "sent" if not error else "given_up" if again_ms is None else "retried"
        self._metrics.add("bluewhale_alerts_told_total", outcome=outcome)
        alerts.settle(delivery, error=error, again_at_ms=again_at, now_ms=now_ms)

    def _message(self, alerts: Alerts, delivery: Delivery) -> Message:
        store, calls = self._judging.store, []
        for call_id in alerts.calls_of(delivery.alert_id, CALLS_TOLD):
            try:
                calls += store.get_call(call_id).call.to_pylist()
            except NotFoundError:
                continue  # it was erased since
        stored = alerts.get(delivery.alert_id, now_ms=self._clock_ms())
        return Message(stored, delivery.opening, calls, self._page)
