"""A member of a group in a process of its own, to be killed and frozen.

Prints what it hears and handles, one line each: `assigned 0`, `read 0 17`, ...
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from bluewhale.messaging import CommitRefusedError, Consumer, KafkaLog, LogUnavailableError, Place


class Printing:
    """Prints what the group does."""

    def assigned(self, consumer: Consumer, places: Sequence[Place]) -> None:
        self._print("assigned", places)

    def revoked(self, places: Sequence[Place]) -> None:
        self._print("revoked", places)

    def lost(self, places: Sequence[Place]) -> None:
        self._print("lost", places)

    def _print(self, word: str, places: Sequence[Place]) -> None:
        for _, partition in places:
            print(word, partition, flush=True)


def main(bootstrap: str, prefix: str) -> None:
    """Read for ever; commit what was printed a moment later."""
    log = KafkaLog(bootstrap, client_id="member", prefix=prefix, session_timeout_ms=6000)
    consumer = log.consumer("g", ["in"], Printing())
    while True:
        try:
            for place, messages in consumer.poll(100, 50).items():
                for message in messages:
                    print("read", place[1], message.offset, flush=True)
                time.sleep(0.2)  # so that a kill falls between work and commit
                consumer.commit({place: (messages[-1].offset + 1, "")})
        except CommitRefusedError:
            print("refused", flush=True)
        except LogUnavailableError as error:
            print("away", error, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
