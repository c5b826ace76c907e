"""The part of a configuration that the page and the REST API need.

Owns the shape of `web`. Does not own people and what they may: they are in the
main database.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from bluewhale.configuration.shape import Strict
from pydantic import Field, model_validator

SECURE = "https://"


class WebSettings(Strict):
    """Where the page answers, and how long people stay signed in."""

    listen: Annotated[str, Field(pattern=r"^\S+:\d{1,5}$")] = Field(
        default="127.0.0.1:8480", description="host:port; port 0 = any free one, said in the log"
    )
    public_url: str = Field(
        default="",
        pattern=r"^$|^https?://[^/\s]+$",
        description="how people reach it, such as https://calls.example.com, where a proxy stands"
        " before it, or http://localhost:8480, where a forwarded port leads to it; empty = as it"
        " listens",
    )
    certificate: Path | None = Field(
        default=None, description="file of the certificate, where the page speaks TLS itself"
    )
    key: Path | None = Field(default=None, description="and its key")
    session_idle_minutes: int = Field(
        default=60, ge=1, le=1_440, description="a session ends after so long without use"
    )
    session_hours: int = Field(
        default=12, ge=1, le=168, description="a session ends after so long at the latest"
    )
    body_kib_max: int = Field(
        default=256, ge=16, le=65_536, description="a request may bring at most so much"
    )

    tariff_mib_max: int = Field(
        default=24, ge=1, le=256, description="the same of a request that brings a tariff"
    )
    four_eyes: bool = Field(
        default=True,
        description="whoever stored a tariff does not activate it; false where one person does both",
    )

    @property
    def host(self) -> str:
        """Give the address listened on."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Give the port listened on."""
        return int(self.listen.rpartition(":")[2])

    @property
    def secure(self) -> bool:
        """Say whether browsers reach the page by TLS."""
        return self.certificate is not None or self.public_url.startswith(SECURE)

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key: give both or none")
        opened = urlsplit(self.public_url).hostname or self.host
        if not self.secure and not _of_this_machine(opened):
            raise ValueError(
                f"listen {self.listen}: passwords would travel in the clear; give certificate and"
                " key, or public_url with https:// where a proxy ends TLS"
            )
        return self


def _of_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
