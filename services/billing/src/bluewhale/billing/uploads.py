"""Files of a tariff as they come with a request, or go with a reply.

Owns their limits and the refusal of names that could leave the folder they are
laid out in. Does not own what the files say (`bluewhale.rating`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

import zstandard
from bluewhale.api.tariffs.v1 import tariffs_pb2 as api
from bluewhale.capture.exceptions import InputError
from bluewhale.jobs.tariffs import DOCUMENT_SUFFIXES

FILES_MAX = 100
FILES_BYTES_MAX = 256 << 20  # unpacked, all files of one tariff
NAME_LETTERS_MAX = 200
_ZSTD_LEVEL = 3


def received(message: api.Files) -> dict[str, bytes]:
    """Unpack the files of a request: one document and its decks, by name.

    Raises
    ------
    InputError
        Too many, too big, a name that is none, not one document.
    """
    if len(message.files) > FILES_MAX:
        raise InputError(f"files: {len(message.files):,} came; a tariff has at most {FILES_MAX}")
    total = 0
    files: dict[str, bytes] = {}
    for file in message.files:
        _check_name(file.name)
        if file.name in files:
            raise InputError(f"files: {file.name} came twice; send it once")
        total += _size(file)
        if total > FILES_BYTES_MAX:
            raise InputError(
                f"files: {total:,} bytes up to {file.name}; one tariff has at most"
                f" {FILES_BYTES_MAX:,} bytes ({FILES_BYTES_MAX >> 20} MiB): split its decks into"
                " tariffs of their own"
            )
        files[file.name] = _content(file)
    documents = [name for name in files if name.endswith(DOCUMENT_SUFFIXES)]
    if len(documents) != 1:
        raise InputError(
            f"files: {len(documents)} YAML documents came; send exactly one, and the decks that it"
            " names"
        )
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    if clash := sorted(folders & files.keys()):
        raise InputError(f"files: {clash[0]} is a file and a folder; rename one")
    return files


def packed(files: Mapping[str, bytes]) -> list[api.File]:
    """Pack files for a message."""
    packer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
    return [api.File(name=name, zstd=packer.compress(data)) for name, data in files.items()]


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    bad = (
        not name
        or len(name) > NAME_LETTERS_MAX
        or not name.isprintable()
        or str(path) != name
        or path.is_absolute()
        or ".." in path.parts
        or "\\" in name
    )
    if bad:
        raise InputError(
            f"files: {name[:NAME_LETTERS_MAX]!r} is no name of a file beside or below the"
            " document; write it as carrier.csv or decks/carrier.csv"
        )


def _size(file: api.File) -> int:
    """Give the unpacked size, without unpacking."""
    if file.WhichOneof("content") != "zstd":
        return len(file.plain)
    try:
        size = zstandard.frame_content_size(file.zstd)
    except zstandard.ZstdError as error:
        raise InputError(f"files: {file.name} is no zstd frame: {error}") from None
    if size < 0:
        raise InputError(f"files: {file.name} does not say its unpacked size; pack it in one piece")
    return size


def _content(file: api.File) -> bytes:
    if file.WhichOneof("content") != "zstd":
        return file.plain
    try:
        return zstandard.ZstdDecompressor().decompress(file.zstd, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise InputError(f"files: {file.name} cannot be unpacked: {error}") from None
