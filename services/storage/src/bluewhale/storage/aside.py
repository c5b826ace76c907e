"""Messages that cannot be stored, kept as files.

Owns their place and form: `<topic>-<partition>-<offset>-<topic id>.message`,
one JSON line of headers, then the value as it was. Nothing is lost by passing
over a message: its records stay in their unit's journal until they are stored,
and are sent again. The file is for finding out why.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bluewhale.messaging import Message

FILES_MAX = 1_000  # after so many, only the count goes on: a fault that repeats fills no disk


class Aside:
    """A folder of messages that could not be stored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = len(list(folder.glob("*.message"))) if folder.exists() else 0

    def keep(self, message: Message, topic_id: str, why: str) -> Path:
        """Write a message to its file; the same message again is the same file."""
        name = f"{message.topic}-{message.partition}-{message.offset}-{topic_id}.message"
        path = self.folder / name.replace("/", "_")
        self.count += not path.exists()
        if self.count > FILES_MAX:
            return path
        self.folder.mkdir(parents=True, exist_ok=True)
        head = {
            "why": why,
            "kept_at_ms": int(time.time() * 1000),
            "timestamp_ms": message.timestamp_ms,
            "headers": [(name, value.decode("latin-1")) for name, value in message.headers],
        }
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps(head).encode() + b"\n" + message.value)
        return path
