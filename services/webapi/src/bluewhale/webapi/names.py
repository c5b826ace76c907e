"""Names for uids, zones of sites, and the tree of departments, from the directory in force.

Owns looking them up, a page at a time: a directory may hold a million people. Does
not own the directory (`bluewhale.configuration`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bluewhale.records.directory import DepartmentTree, EntryTable
from bluewhale.webapi.directory_tables import DirectoryTables
from bluewhale.webapi.shapes import Name

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.records.directory import Directory

UTC_NAME = "UTC"


class Names:
    """The directory of one moment; any thread."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.sites = {s.site_uid: s for s in directory.sites}
        self.departments = {d.department_uid: d for d in directory.departments}
        self.version = directory.version
        self.directory_zone = directory.zone
        self.cost_centers = dict(directory.cost_centers)
        self._pbxs = {p.pbx_uid: p.name for p in directory.pbxs}
        self._tree = DepartmentTree.of(directory.departments)

    def below(self, department_uid: str) -> frozenset[str]:
        """Give a department and all below it; an unknown one stands alone."""
        return self._tree.subtree(department_uid)

    def site(self, uid: str | None) -> Name | None:
        """Name a site."""
        found = self.sites.get(uid or "")
        return Name(uid=uid, name=found.name if found else None) if uid else None

    def department(self, uid: str | None) -> Name | None:
        """Name a department."""
        found = self.departments.get(uid or "")
        return Name(uid=uid, name=found.name if found else None) if uid else None

    def cost_center(self, uid: str | None) -> Name | None:
        """Name a cost centre."""
        return Name(uid=uid, name=self.cost_centers.get(uid)) if uid else None

    def pbx(self, uid: str) -> Name:
        """Name a PBX."""
        return Name(uid=uid, name=self._pbxs.get(uid))

    def persons(self, uids: Iterable[str | None]) -> Mapping[str, str]:
        """Give the names of people by uid, those that are known."""
        wanted = {uid for uid in uids if uid}
        persons = self._directory.persons
        if not wanted:
            return {}
        if isinstance(persons, EntryTable):
            import pyarrow as pa
            import pyarrow.compute as pc

            table = persons.table
            rows = table.filter(
                pc.is_in(table["person_uid"], value_set=pa.array(sorted(wanted)))
            ).select(["person_uid", "name"])
            return {r["person_uid"]: r["name"] for r in rows.to_pylist() if r["name"]}
        return {p.person_uid: p.name for p in persons if p.person_uid in wanted and p.name}

    def zone_of_site(self, uid: str) -> str:
        """Give the zone of a site; that of the directory where it is not known."""
        found = self.sites.get(uid)
        return found.zone if found else self.directory_zone

    def zone(self, sites: Collection[str] | None) -> ZoneInfo:
        """Give the zone that these sites share (None = all sites); UTC where they do not."""
        zones = {s.zone for uid, s in self.sites.items() if sites is None or uid in sites}
        return ZoneInfo(zones.pop() if len(zones) == 1 else UTC_NAME)


class Directories:
    """The directory in force; made anew when the configuration is another one."""

    def __init__(self, configuration: Callable[[], Configuration]) -> None:
        self._configuration = configuration
        self._made: tuple[Directory, Names] | None = None
        self._tables: tuple[Directory, DirectoryTables] | None = None

    def names(self) -> Names:
        """Give the names of now."""
        directory = self._configuration().directory
        made = self._made
        if made is None or made[0] is not directory:
            made = self._made = (directory, Names(directory))
        return made[1]

    def tables(self) -> DirectoryTables:
        """Give people and extensions of now by column; made when they are first asked for."""
        directory = self._configuration().directory
        made = self._tables
        if made is None or made[0] is not directory:
            made = self._tables = (directory, DirectoryTables(directory))
        return made[1]
