"""The unit's own file: who it is, where the centre is, where its data lies.

Owns the few keys that a unit needs before it ever heard the centre. Does not own
links: they come with the unit document.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path

import yaml
from bluewhale.remoteunit.exceptions import UnitSettingsError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

ENROLMENT_PORT_STEP = 4  # 7440 and 7444 by default
TOKEN_VARIABLE = "BLUEWHALE_UNIT_TOKEN"  # noqa: S105 - the name of a variable


class RemoteUnitSettings(BaseModel):
    """unit.yaml. Relative paths are taken from the folder of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit_uid: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    centre: str = Field(
        pattern=r"^\S+:\d{1,5}$",
        description="host:port of the ingest role; several addresses by DNS",
    )
    enrolment: str | None = Field(
        default=None,
        pattern=r"^\S+:\d{1,5}$",
        description="host:port where the centre enrols units; none = the centre's port + 4",
    )
    data: Path = Field(description="folder of journal, keys and the last good document")
    token: str | None = Field(
        default=None, repr=False, description="one-time token; needed once, until enrolled"
    )
    token_file: Path | None = Field(default=None, description="file that holds the token")
    trust: Path | None = Field(
        default=None, description="PEM bundle of CAs; without it the token's pin names the CA"
    )
    insecure: bool = Field(
        default=False, description="no TLS, for tests; the centre must be on the loopback"
    )
    journal_quota_mib: int = Field(default=1_024, ge=1, le=1 << 20)
    freeze_after_s: float = Field(
        default=30.0, ge=1.0, description="a unit whose loop stood still for so long ends itself"
    )
    check_timeout_s: float = Field(
        default=5.0, gt=0, description="time for each changed link of a new document to work"
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    health_host: str = "127.0.0.1"
    health_port: int | None = Field(default=0, description="0 = any free port; null = no door")
    otlp_endpoint: str | None = Field(default=None, description="OTLP over gRPC; none = no traces")
    sample_ratio: float = Field(default=0.01, ge=0, le=1)

    @property
    def enrolment_address(self) -> str:
        """Give where a unit without a certificate asks."""
        if self.enrolment is not None:
            return self.enrolment
        host, _, port = self.centre.rpartition(":")
        return f"{host}:{int(port) + ENROLMENT_PORT_STEP}"

    def read_token(self, environment: Mapping[str, str] = os.environ) -> str:
        """Give the enrolment token, "" without one; the environment wins over the file."""
        found = environment.get(TOKEN_VARIABLE) or self.token
        if found is None and self.token_file is not None:
            try:
                found = self.token_file.read_text()
            except OSError:
                return ""  # a token file is removed after enrolment
        return (found or "").strip()


def load_settings(path: Path) -> RemoteUnitSettings:
    """Read the unit's own file.

    Raises
    ------
    UnitSettingsError
        It cannot be read, or a key is missing, unknown or wrong; all are named.
    """
    try:
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UnitSettingsError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UnitSettingsError(f"{path}: not YAML: {error}") from error
    try:
        settings = RemoteUnitSettings.model_validate(found)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in e['loc']) or 'file'}: {e['msg']}"
            for e in error.errors(include_input=False)
        )
        raise UnitSettingsError(f"{path}: {wrong}") from error
    folder = path.resolve().parent
    settings = settings.model_copy(
        update={
            name: folder / value
            for name in ("data", "token_file", "trust")
            if (value := getattr(settings, name)) is not None
        }
    )
    if settings.insecure and not _is_loopback(settings.centre):
        raise UnitSettingsError(
            f"{path}: insecure is for tests on this machine; {settings.centre} is not the loopback"
        )
    return settings


def _is_loopback(centre: str) -> bool:
    host = centre.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
