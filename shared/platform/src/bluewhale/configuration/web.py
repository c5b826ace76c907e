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


class OidcGrant(Strict):
    """What people get whose claim holds a value."""

    value: str = Field(min_length=1, description="of the claim, such as the name of a group")
    role: Literal["viewer", "analyst", "finance", "telecom_admin", "security", "owner"] = Field(
        description="what they may do, anew at each sign-in"
    )
    sites: tuple[str, ...] | None = Field(default=None, description="site uids; none = all")
    departments: tuple[str, ...] | None = Field(
        default=None, description="department uids, each with all below it; none = all"
    )


class OidcSettings(Strict):
    """Sign-in by a provider (OpenID Connect); passwords of this installation go on."""

    issuer: str = Field(
        pattern=r"^(https://|http://(127\.0\.0\.1|localhost)(:\d+)?(/|$))\S*$",
        description="as the provider calls itself; its configuration is found below it",
    )
    client_id: str = Field(min_length=1, description="what the provider knows this installation as")
    client_secret_file: Path | None = Field(
        default=None, description="file with the secret; none = a public client, with PKCE alone"
    )
    label: str = Field(
        default="", max_length=40, description="of the button; empty = the host of the issuer"
    )
    scopes: tuple[str, ...] = Field(
        default=("openid", "profile", "email"), description="what is asked for; openid among them"
    )
    claim: str = Field(default="groups", description="the claim that roles follow from")
    name_claim: str = Field(default="preferred_username", description="the claim that names people")
    grants: tuple[OidcGrant, ...] = Field(
        min_length=1, description="the first whose value the claim holds counts; none = no entry"
    )

    def secret(self) -> str:
        """Give the secret as its file says now; "" = there is none."""
        if self.client_secret_file is None:
            return ""
        return self.client_secret_file.read_text("utf-8").strip()

    @model_validator(mode="after")
    def _asks_who_it_is(self) -> Self:
        if "openid" not in self.scopes:
            raise ValueError("scopes: openid must be among them")
        return self


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

    requests_per_minute: int = Field(
        default=6_000,
        ge=0,
        le=1_000_000,
        description="of one person or key, and of one address before sign-in; 0 = no limit",
    )
    workers: int = Field(
        default=0,
        ge=0,
        le=64,
        description="processes beside `bluewhale up` that answer questions about calls, for more"
        " than a hundred people at once; roles: count copies of them",
    )
    proxies: tuple[str, ...] = Field(
        default=(),
        max_length=100,
        description="addresses or networks of proxies before it, whose X-Forwarded-For is believed",
    )

    factor_keys_file: Path | None = Field(
        default=None,
        description="file with the keys that encrypt secrets of second factors, 32 bytes as base64"
        " a line: the first encrypts, all decrypt; none = `bluewhale up` makes its own in `data`,"
        " roles store them as they are",
    )
    oidc: OidcSettings | None = Field(
        default=None, description="sign-in by a provider; none = names and passwords alone"
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
