"""Settings of the operator, from the environment of its pod.

Owns the names of the variables, each with the prefix `BLUEWHALE_OPERATOR_`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bluewhale.capture import PermanentError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

PREFIX = "BLUEWHALE_OPERATOR_"
ALL_NAMESPACES = "*"


class OperatorSettingsError(PermanentError):
    """A variable is missing or wrong; the text names every one."""

    code = "operator_settings"


class Settings(BaseModel):
    """What the chart tells the operator."""

    # Kubernetes itself adds variables of Services whose name begins like ours
    model_config = ConfigDict(extra="ignore", frozen=True)

    namespace: str = Field(description="where the operator and the roles run")
    pod: str = Field(default="operator", description="its own name, in Leases and events")
    installation: str = Field(default="bluewhale", description="name of the release")
    watch: str = Field(default="", description="namespace of RemoteUnits; empty = its own; * = all")
    ingest: str = Field(pattern=r"^\S+:\d{1,5}$", description="where units connect, host:port")
    enrolment: str = Field(pattern=r"^\S+:\d{1,5}$", description="where units enrol, host:port")
    identity: Path | None = Field(
        default=None, description="folder with operator.key, operator.pem, ca.pem; none = no TLS"
    )
    unit_image: str = Field(description="image of units in the cluster")
    unit_pull_policy: str = Field(default="IfNotPresent", pattern="^(Always|IfNotPresent|Never)$")
    pull_secrets: str = Field(default="", description="names of Secrets, separated by commas")
    units_configmap: str = Field(default="", description="empty = <installation>-units")
    lease: str = Field(default="", description="empty = <installation>-operator")
    otlp_endpoint: str = Field(default="", description="where units send traces")
    sample_ratio: float = Field(default=0.01, ge=0, le=1, description="share of traced frames")
    health_host: str = "0.0.0.0"  # noqa: S104 - probes come from the node
    health_port: int = Field(default=8080, ge=0, le=65535)
    resync_s: float = Field(default=30.0, ge=1, description="each resource is looked at so often")
    poll_s: float = Field(default=2.0, gt=0, description="ingest is asked so often")

    @property
    def configmap(self) -> str:
        """Name the ConfigMap that the roles follow."""
        return self.units_configmap or f"{self.installation}-units"

    @property
    def lease_name(self) -> str:
        """Name the Lease of the operator itself."""
        return self.lease or f"{self.installation}-operator"

    @property
    def watched(self) -> str | None:
        """Give the namespace that is watched, None = all."""
        return None if self.watch == ALL_NAMESPACES else self.watch or self.namespace


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises
    ------
    OperatorSettingsError
        Naming every variable that is missing or wrong.
    """
    found = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }
    try:
        return Settings.model_validate(found)
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{'_'.join(str(x) for x in e['loc']).upper()}: {e['msg']}"
            for e in error.errors(include_input=False)
        )
        raise OperatorSettingsError(wrong) from error
