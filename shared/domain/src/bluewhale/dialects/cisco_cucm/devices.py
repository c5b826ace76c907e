"""Which devices are lines to the outside: gateways and trunks, told by their names.

Owns the name shapes and the two options that override them. CUCM records carry
device names and no device class; administrators choose the names of trunks
freely, but those of phones follow from the phone's type and hardware address.

Source: Cisco CUCM device naming (product prefix + MAC address); MGCP endpoints
as `S0/SU1/DS1-0@host` and `AALN/S0/SU0/0@host`; H.323 gateways as IP addresses.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# Devices that are not lines to the outside. Everything else that has a name is.
_INSIDE: Final = re.compile(
    r"""
    (?:SEP|ATA|VGP|BAT|TNP|CIPC)[0-9A-F]{10,16}      # phones and adapters by hardware address
    | AN[0-9A-F]{12,15}                             # analog ports of voice gateways (fax, door)
    | (?:CSF|TCT|BOT|TAB|TCTS|CUPC|CIPC|UDP|RDP)[-_A-Z0-9.]*  # soft clients, profiles
    | (?:CFB|MTP|XCD|MOH|ANN|IVR|CFB|VCB|RCB)[-_0-9A-Z]*       # bridges and media devices
    | ParkingLotDevice.* | MobileConnect.*
    | (?:CTI|CTIP|CTIRP|UCCX|IVR|CCX)[-_0-9A-Z]*      # application ports
    | .*-VI\d+ | VM[-_].* | CUC[-_].*                # voice mail ports
    """,
    re.VERBOSE | re.IGNORECASE,
)


@lru_cache(maxsize=131_072)
def is_gateway(name: str, gateways: tuple[str, ...] = (), phones: tuple[str, ...] = ()) -> bool:
    """Tell whether a device is a line to the outside.

    Parameters
    ----------
    gateways: patterns (whole name, case ignored); given, they alone decide.
    phones: patterns of devices that are none, whatever else would say so.
    """
    if not name or _matches(name, phones):
        return False
    if gateways:
        return _matches(name, gateways)
    return not _INSIDE.fullmatch(name)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(re.fullmatch(pattern, name, re.IGNORECASE) for pattern in patterns)
