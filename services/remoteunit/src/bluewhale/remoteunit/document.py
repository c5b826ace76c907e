"""The unit document: what the centre wants this unit to read, checked before it is used.

Owns the whitelist of keys and the last good document on disk, from which a unit
starts without the centre. Does not own trying it: `applying`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bluewhale.connectors import LinkRefusedError, checked_connector, framing_of
from bluewhale.remoteunit.exceptions import DocumentRefusedError

LINKS_MAX = 1_000
_KEYS = {"version", "hash", "links", "limits", "trace"}
_LINK_KEYS = {"link_uid", "stream_id", "connector", "framing", "shared"}
_LIMIT_KEYS = {"journal_quota_mib"}


@dataclass(frozen=True, slots=True)
class Document:
    """A checked document; `content` are its bytes as they came.

    `held` are links that go on with the entry that they had before, since the
    one of this document does not work yet.
    """

    version: int = 0
    hash: str = ""
    content: bytes = b"{}"
    links: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by link_uid
    journal_quota_mib: int | None = None
    trace: bool = False
    held: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by link_uid

    @property
    def running(self) -> dict[str, Mapping[str, Any]]:
        """Links as they are read, by link_uid."""
        return {uid: self.held.get(uid, link) for uid, link in self.links.items()}

    @property
    def shared(self) -> frozenset[str]:
        """Links that another unit reads too: ownership says who."""
        return frozenset(uid for uid, link in self.links.items() if link.get("shared"))


NOTHING = Document()


def read_document(version: int, digest: str, content: bytes) -> Document:
    """Give a checked document.

    Raises
    ------
    DocumentRefusedError
        Another hash, no JSON, a key that is not on the list, or a wrong value.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise DocumentRefusedError(f"document {version}: hash {found}, not {digest} as announced")
    try:
        document = json.loads(content)
    except ValueError as error:
        raise DocumentRefusedError(f"document {version} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise DocumentRefusedError(f"document {version} is no object")
    _only(document, _KEYS, f"document {version}")
    links: dict[str, Mapping[str, Any]] = {}
    wanted = document.get("links", [])
    if not isinstance(wanted, list) or len(wanted) > LINKS_MAX:
        raise DocumentRefusedError(f"document {version}: links are no list of at most {LINKS_MAX}")
    for link in wanted:
        _check_link(link, f"document {version}")
        if link["link_uid"] in links:
            raise DocumentRefusedError(f"document {version}: {link['link_uid']} is there twice")
        links[link["link_uid"]] = link
    limits = document.get("limits", {})
    _only(limits, _LIMIT_KEYS, f"document {version}: limits")
    quota = limits.get("journal_quota_mib")
    if quota is not None and not (isinstance(quota, int) and 1 <= quota <= 1 << 20):
        raise DocumentRefusedError(f"document {version}: journal_quota_mib {quota!r}")
    return Document(version, digest, content, links, quota, bool(document.get("trace", False)))


def _check_link(link: Any, where: str) -> None:
    try:
        _only(link, _LINK_KEYS, f"{where}: link {link.get('link_uid')}")
        checked_connector(link)
        framing_of(link["framing"])
        stream_id = link["stream_id"]
    except (LinkRefusedError, KeyError, TypeError, AttributeError) as error:
        raise DocumentRefusedError(f"{where}: {error}") from error
    if not isinstance(stream_id, int) or not 0 <= stream_id < 1 << 63:
        raise DocumentRefusedError(f"{where}: stream_id {stream_id!r}")


def _only(found: Any, known: set[str], where: str) -> None:
    if not isinstance(found, dict):
        raise DocumentRefusedError(f"{where} is no object")
    if stray := sorted(set(found) - known):
        raise DocumentRefusedError(f"{where}: key {stray[0]!r} may not be set from the centre")


class LastGood:
    """The last document that worked, on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Document:
        """Give the last good document; `NOTHING` if there is none or it cannot be read."""
        try:
            kept = json.loads(self._path.read_text())
            read = read_document(kept["version"], kept["hash"], kept["content"].encode())
            held = {link["link_uid"]: link for link in kept.get("held", ())}
            for link in held.values():
                _check_link(link, "held")
            return replace(read, held=held)
        except (OSError, ValueError, KeyError, AttributeError, TypeError, DocumentRefusedError):
            return NOTHING  # the centre sends it again

    def save(self, document: Document) -> None:
        """Keep a document; readers see the old or the new one, whole."""
        kept = {
            "version": document.version,
            "hash": document.hash,
            "content": document.content.decode(),
            "held": list(document.held.values()),
        }
        write_whole(self._path, json.dumps(kept).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
