"""A person's name and uid taken out of directory files, everything else as it was.

    files = without_person(files, "weber", "erased-7k2m9x")      # None = they name nobody

The entries stay, under the pseudonym: an extension still was somebody's, of a
department that pays. Comments of a YAML file that names them go, as they may, too. Owns
the change of text. Does not own where versions are stored (`bluewhale.database.versions`).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import yaml
from bluewhale.records.directory_tables import KEYS, KINDS

PERSON = KEYS["persons"]
_NAME = "name"
_COMMENT = re.compile(r"#[^\n]*")
_KINDS = frozenset(kind for kind, fields in KINDS.items() if any(f.name == PERSON for f in fields))


def mentions(files: Mapping[str, bytes], uid: str) -> bool:
    """Say whether any file may name a person: quick, and sure only where it says no."""
    word = re.compile(rb"(?<![\w.-])" + re.escape(uid.encode()) + rb"(?![\w.-])")
    return any(word.search(data) for data in files.values())


def without_person(files: Mapping[str, bytes], uid: str, pseudonym: str) -> dict[str, bytes] | None:
    """Give the files with a pseudonym in place of a person; None = no entry names them."""
    made = {
        name: _csv(data, PurePosixPath(name).stem, uid, pseudonym)
        if name.endswith(".csv")
        else _yaml(data, uid, pseudonym)
        for name, data in files.items()
        if uid.encode() in data
    }
    changed = {name: data for name, data in made.items() if data is not None}
    return {**files, **changed} if changed else None


def _csv(data: bytes, kind: str, uid: str, pseudonym: str) -> bytes | None:
    if kind not in _KINDS:
        return None
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    head = [cell.strip() for cell in rows[0]]
    if PERSON not in head:
        return None
    at, name = head.index(PERSON), head.index(_NAME) if _NAME in head else None
    changed = False
    for row in rows[1:]:
        if len(row) > at and row[at].strip() == uid:
            row[at] = pseudonym
            if kind == "persons" and name is not None and len(row) > name:
                row[name] = pseudonym
            changed = True
    if not changed:
        return None
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows(rows)
    return sink.getvalue().encode()


def _yaml(data: bytes, uid: str, pseudonym: str) -> bytes | None:
    text = data.decode("utf-8-sig")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return None
    cuts = [(begin, end, pseudonym) for begin, end in _cuts(node, uid)]
    if not cuts:
        return None
    cuts += [(begin, end, "") for begin, end in _comments(text)]
    for begin, end, instead in sorted(cuts, reverse=True):  # from behind: places before stay
        text = text[:begin] + instead + text[end:]
    return text.encode()


def _comments(text: str) -> Iterator[tuple[int, int]]:
    """Give where comments stand: between words of YAML is nothing else that begins with #."""
    reached = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        for found in _COMMENT.finditer(text, reached, max(reached, token.start_mark.index)):
            yield found.span()
        reached = max(reached, token.end_mark.index)


def _cuts(node: yaml.MappingNode, uid: str) -> Iterator[tuple[int, int]]:
    """Give where values stand that name the person."""
    for key, listed in node.value:
        if key.value not in _KINDS or not isinstance(listed, yaml.SequenceNode):
            continue
        for entry in listed.value:
            if not isinstance(entry, yaml.MappingNode):
                continue
            values = {name.value: value for name, value in entry.value}
            if PERSON not in values or str(values[PERSON].value).strip() != uid:
                continue
            names = (PERSON, _NAME) if key.value == "persons" else (PERSON,)
            for name in names:
                if name in values:
                    yield values[name].start_mark.index, values[name].end_mark.index
