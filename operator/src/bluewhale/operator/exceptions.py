"""Errors of the operator."""

from __future__ import annotations

from bluewhale.capture import PermanentError, TemporaryError


class IngestError(TemporaryError):
    """Ingest does not answer, or refuses now."""

    code = "ingest_unavailable"


class ClusterError(TemporaryError):
    """The API server does not answer, or cannot do it now."""

    code = "cluster_unavailable"


class RefusedError(PermanentError):
    """The API server refuses an object; its text says why."""

    code = "object_refused"


class ConflictError(TemporaryError):
    """Somebody else changed the object first."""

    code = "object_conflict"


class RightsError(PermanentError):
    """The operator may not do what it needs; every missing right is named."""

    code = "rights_missing"


class DefinitionError(TemporaryError):
    """The definition of RemoteUnit is missing or of another release; somebody may mend it."""

    code = "definition_of_another_release"
