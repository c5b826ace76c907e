"""Errors of the plugin, and the exit code of each.

BluewhaleError (bluewhale.capture.exceptions)
|- TemporaryError
|  `- ClusterError       exit 2: the cluster does not answer
`- PermanentError
   |- InputError         exit 2: no such thing, or it cannot be ordered (bluewhale.capture)
   |- RightsError        exit 2: the person may not do it
   |- ProgramError       exit 2: the program kubectl is missing
   `- NotDoneError       exit 1: ordered, and not carried out in time
"""

from __future__ import annotations

from bluewhale.capture.exceptions import BluewhaleError, InputError, PermanentError, TemporaryError

__all__ = [
    "BluewhaleError",
    "ClusterError",
    "InputError",
    "NotDoneError",
    "ProgramError",
    "RightsError",
]


class ClusterError(TemporaryError):
    """The API server does not answer, or refused for a reason of its own."""

    code = "cluster_unavailable"


class RightsError(PermanentError):
    """The person may not do it; the text says which right is missing."""

    code = "rights_missing"


class ProgramError(PermanentError):
    """The program kubectl cannot be run."""

    code = "program_missing"


class NotDoneError(PermanentError):
    """An order was given and not carried out in time; the text says what it waits for."""

    code = "not_done"
