"""The configuration in force: its files are watched, and it is replaced whole or not at all.

Owns noticing that a file changed, which settings may change while a role runs,
and refusing a configuration with a mistake: the one in force stays, and the
mistakes are told until they are mended. Does not own the form of the files
(`loading`), nor what a role does with another configuration.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.configuration.configured import Configuration
from bluewhale.configuration.exceptions import ConfigurationError
from bluewhale.configuration.loading import load as load_configuration
from bluewhale.configuration.loading import read_settings
from bluewhale.configuration.settings import Settings
from bluewhale.telemetry import get_logger

FOLLOWED = frozenset(
    {"links", "units", "directory", "tariffs", "alerts"}
)  # the rest holds until a restart
FILES_MAX = 10_000

Signature = tuple[tuple[str, int, int, int], ...]


class Following:
    """What a role goes by. `refresh` may block; any thread may call it.

    Parameters
    ----------
    before
        Called with a new configuration before it is in force; a
        `PermanentError` of it refuses the new one.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        before: Callable[[Configuration], object] = lambda _fresh: None,
        load: Callable[[Path, Configuration], Configuration] = load_configuration,
    ) -> None:
        self._load, self._before = load, before
        self._lock = threading.Lock()
        self._log = get_logger("configuration")
        self.configuration = configuration
        self.problem = ""  # why the files as they are now are refused; "" = they are in force
        self.unusable = ""  # why the role cannot use what is in force; it goes on with what it had
        self.waits = ""  # what changed and is in force after a restart only
        self._paths = _paths(configuration.path, configuration.settings)
        self._signature = _signature(self._paths)

    @property
    def told(self) -> str:
        """Say what a person should know of the files; "" = they are in force as they are."""
        return "; ".join(self.problems)

    @property
    def problems(self) -> list[str]:
        """Give the same, one by one."""
        found = (self.problem, self.unusable, self.waits, *self.configuration.refused)
        return [problem for problem in found if problem]

    def refresh(self) -> bool:
        """Look at the files; give whether another configuration is in force now."""
        with self._lock:
            signature = _signature(self._paths)
            if signature == self._signature:
                return False
            self._signature = signature
            try:
                fresh = self._candidate()
                self._before(fresh)
            except (BluewhaleError, OSError) as error:
                self.problem = str(error)
                self._watch_candidate()
                self._log.error(
                    "Configuration refused, going on with the one in force", error=self.problem
                )
                return False
            self.problem = ""
            self.configuration = fresh
            for mistake in fresh.refused:
                self._log.error("Included file is not in force", error=mistake)
            self._watch(_paths(fresh.path, fresh.settings))
            self._log.info(
                "Configuration replaced",
                links=len(fresh.settings.links),
                count=len(fresh.settings.units),
            )
            return True

    def used(self, problem: str = "") -> None:
        """Hear whether the role could use what is in force; a problem is told until it can."""
        if problem and problem != self.unusable:
            self._log.error("Configuration cannot be used, going on as before", error=problem)
        self.unusable = problem

    def _candidate(self) -> Configuration:
        """Load the files; what may not change while a role runs stays as it was."""
        fresh, now = (
            self._load(self.configuration.path, self.configuration),
            self.configuration.settings,
        )
        before, after = (
            c.cluster.kafka.partitions if c.settings.cluster is not None else 0
            for c in (self.configuration, fresh)
        )
        if before != after:
            mistake = (
                f"{fresh.path}: cluster.kafka.partitions was {before} when this role started and is"
                f" {after} now; set it back, or drain the roles, make the topics anew and start again"
            )
            raise ConfigurationError([mistake])
        held = [name for name in Settings.model_fields if name not in FOLLOWED]
        late = [name for name in held if getattr(fresh.settings, name) != getattr(now, name)]
        self.waits = ""
        if late:
            self.waits = f"{fresh.path}: {', '.join(late)} changed; restart this role to use it"
            self._log.warning("Configuration is in force in part", error=self.waits)
        kept = {name: getattr(now, name) for name in held}
        return replace(fresh, settings=fresh.settings.model_copy(update=kept))

    def _watch_candidate(self) -> None:
        """Watch the files of a refused configuration too: one of them will be mended."""
        try:
            named = _paths(self.configuration.path, read_settings(self.configuration.path))
        except BluewhaleError:
            return  # the mistake is in the file itself, which is watched
        self._watch([*self._paths, *(p for p in named if p not in self._paths)])

    def _watch(self, paths: list[Path]) -> None:
        """Watch these files; what is watched already counts as it was seen before loading."""
        seen = {entry[0]: entry for entry in self._signature}
        self._paths = paths
        self._signature = tuple(seen.get(entry[0], entry) for entry in _signature(paths))


def _paths(file: Path, settings: Settings) -> list[Path]:
    """Give every file and folder that a configuration is made of."""
    from bluewhale.rating.tariff_files import source_files
    from bluewhale.rating.validation import TariffError

    paths = [file, *settings.include, *settings.directory]
    paths += [settings.alerts] if settings.alerts is not None else []
    for document in settings.tariffs:
        paths.append(document)
        with suppress(
            OSError, TariffError
        ):  # a bad document: its decks are known once it is mended
            paths += [source.path for source in source_files(document)]
    return list(dict.fromkeys(paths))


def _signature(paths: Iterable[Path]) -> Signature:
    """Give name, place, size and time of every file."""
    found: list[tuple[str, int, int, int]] = []
    for path in paths:
        for file in sorted(path.rglob("*"))[:FILES_MAX] if path.is_dir() else [path]:
            try:
                state = file.stat()
            except OSError:
                found.append((str(file), -1, -1, -1))
            else:
                found.append((str(file), state.st_ino, state.st_size, state.st_mtime_ns))
    return tuple(found)
