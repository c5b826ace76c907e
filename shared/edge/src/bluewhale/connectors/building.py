"""One entry of a unit document -> a connector.

Owns the names of connectors and their keys, which are those of the configuration,
and framing tables as JSON (bytes as Latin-1 text). Does not own who writes the
document, nor what a link means.

Example
-------
::

    build({"link_uid": "depot-smdr", "stream_id": 7,
           "connector": {"type": "tcp_server", "port": 9000},
           "framing": framing_document(FramingTable())}, journal)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from bluewhale.capture import ContextRule, FramingTable
from bluewhale.connectors.exceptions import LinkRefusedError
from bluewhale.connectors.folder import Folder
from bluewhale.connectors.link import LinkSettings, LinkState, now_ms
from bluewhale.connectors.syslog import SyslogTcp, SyslogUdp
from bluewhale.connectors.tcp import TcpClient, TcpServer
from bluewhale.journal import Journal

Connector = TcpServer | TcpClient | Folder | SyslogUdp | SyslogTcp

_NO_DEFAULT: Any = object()
_ADDRESS = {"host": (str, "127.0.0.1"), "port": (int, _NO_DEFAULT)}
_LISTENING = {**_ADDRESS, "peers": (list, [])}

# type -> key -> (type of the value, default)
CONNECTORS: dict[str, dict[str, tuple[type, Any]]] = {
    "tcp_server": _LISTENING,
    "tcp_client": {"host": (str, _NO_DEFAULT), "port": (int, _NO_DEFAULT)},
    "folder": {
        "path": (str, _NO_DEFAULT),
        "pattern": (str, "*"),
        "mode": (str, "whole"),
        "archive": (str, None),
        "complete": (str, "stable"),
        "poll_interval_ms": (int, 1_000),
    },
    "syslog_udp": _LISTENING,
    "syslog_tcp": _LISTENING,
}
_CHOICES = {"mode": ("whole", "tail"), "complete": ("stable", "renamed")}


def build(
    link: Mapping[str, Any],
    journal: Journal,
    *,
    state: LinkState | None = None,
    clock_ms: Callable[[], int] = now_ms,
) -> Connector:
    """Make the connector of one link.

    Parameters
    ----------
    link
        `link_uid`, `stream_id`, `connector` (its `type` and keys), `framing`.
    journal
        Where its records go.
    state
        The health of the link, kept when a connector replaces another.

    Raises
    ------
    LinkRefusedError
        A key is missing, unknown, or has a wrong value; the text names it.
    """
    settings = LinkSettings(
        _key(link, "link_uid", str, ""),
        _key(link, "stream_id", int, ""),
        framing_of(_key(link, "framing", dict, "")),
    )
    wanted = checked_connector(link)
    kind = wanted.pop("type")
    common: dict[str, Any] = {"state": state, "clock_ms": clock_ms}
    if kind in {"tcp_server", "syslog_udp", "syslog_tcp"}:
        listener = {"tcp_server": TcpServer, "syslog_udp": SyslogUdp, "syslog_tcp": SyslogTcp}[kind]
        try:
            made: Connector = listener(settings, journal, **wanted, **common)
        except ValueError as error:  # a peer that is no address
            raise LinkRefusedError(f"link {settings.link_uid}: peers: {error}") from error
        return made
    if kind == "tcp_client":
        return TcpClient(settings, journal, **wanted, **common)
    return Folder(
        settings,
        journal,
        path=Path(wanted["path"]),
        pattern=wanted["pattern"],
        mode=wanted["mode"],
        archive=None if wanted["archive"] is None else Path(wanted["archive"]),
        complete=wanted["complete"],
        poll_interval_s=wanted["poll_interval_ms"] / 1000,
        **common,
    )


def checked_connector(link: Mapping[str, Any]) -> dict[str, Any]:
    """Give the connector's `type` and every key of it, defaults filled in; raises as `build`."""
    uid = str(link.get("link_uid"))
    wanted = dict(_key(link, "connector", dict, ""))
    kind = wanted.pop("type", None)
    if kind not in CONNECTORS:
        raise LinkRefusedError(
            f"link {uid}: connector type {kind!r} is not one of {', '.join(CONNECTORS)}"
        )
    known = CONNECTORS[kind]
    if stray := sorted(set(wanted) - set(known)):
        raise LinkRefusedError(f"link {uid}: {kind} has no key {stray[0]!r}")
    found: dict[str, Any] = {"type": kind}
    for name, (type_, default) in known.items():
        value = wanted.get(name, default)
        if value is not default or default is _NO_DEFAULT:
            value = _key(wanted, name, type_, f"link {uid}: ")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise LinkRefusedError(f"link {uid}: {name} {value!r} is not one of {_CHOICES[name]}")
        found[name] = value
    if not 0 <= found.get("port", 0) <= 65_535:
        raise LinkRefusedError(f"link {uid}: port {found['port']} is not 0 to 65535")
    return found


def framing_document(table: FramingTable) -> dict[str, Any]:
    """Give a framing table as JSON values: what is not the default, bytes as Latin-1 text."""
    return _as_json(table)


def framing_of(document: Mapping[str, Any]) -> FramingTable:
    """Give what `framing_document` made; raises LinkRefusedError on anything else."""
    try:
        values = {name: _from_json(name, value) for name, value in document.items()}
        return FramingTable(**values)
    except (TypeError, ValueError, AttributeError) as error:
        raise LinkRefusedError(f"framing table: {error}; the centre is newer than this unit") from (
            error
        )


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, FramingTable | ContextRule):
        return {
            field.name: _as_json(getattr(value, field.name))
            for field in fields(value)
            if getattr(value, field.name) != field.default
        }
    return value


_TEXT = {"separator", "strip_left", "strip_right", "continuation"}


def _from_json(name: str, value: Any) -> Any:
    if name in _TEXT:
        return value.encode("latin-1")
    if name == "skip":
        return tuple(item.encode("latin-1") for item in value)
    if name == "context":
        return tuple(
            ContextRule(**{**rule, "pattern": rule["pattern"].encode("latin-1")}) for rule in value
        )
    if not isinstance(value, int):
        raise TypeError(f"{name} is no number")
    return value


def _key(found: Mapping[str, Any], name: str, type_: type, where: str) -> Any:
    value = found.get(name)
    if not isinstance(value, type_) or (type_ is int and isinstance(value, bool)):
        said = "is missing" if value is None else f"is {value!r}, not {type_.__name__}"
        raise LinkRefusedError(f"{where}{name} {said}")
    return value
