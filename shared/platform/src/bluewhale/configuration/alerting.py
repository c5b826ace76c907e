"""The file of alert rules and channels: its shape, and every mistake in it at once.

    alerting = read_alerting(Path("alerts.yaml"))
    alerting.rules.live; alerting.channels["soc"]

Owns the shape of the file, from which its JSON schema is made, and where each mistake
stands. A file with a mistake is refused whole. Does not own what a rule finds
(`bluewhale.alerting`) or how a channel is spoken to (`bluewhale.billing`).
"""

from __future__ import annotations

import ipaddress
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from bluewhale.alerting import (
    NO_RULES,
    BlacklistRule,
    EmergencyCallRule,
    ExpensiveCallRule,
    LongCallRule,
    NightPremiumRule,
    Rule,
    Rules,
    SilentPbxRule,
)
from bluewhale.configuration.exceptions import ConfigurationError
from bluewhale.configuration.shape import UID, Strict
from bluewhale.records.findings import Severity
from pydantic import AfterValidator, Field, ValidationError, model_validator

NUMBERS_MAX = 100_000
TEXT_BYTES_MAX = 4 << 20
MISTAKES_MAX = 100  # the first ones
_MINUTE_MS = 60_000
_E164 = re.compile(r"\+?[1-9][0-9]{0,14}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _digits(text: str) -> str:
    plain = re.sub(r"[ ./()-]", "", text)
    if _E164.fullmatch(plain) is None:
        raise ValueError("write it as +49 30 1234, at most 15 digits, in quotes")
    return plain.removeprefix("+")


def _clock(text: str) -> str:
    if _CLOCK.fullmatch(text) is None:
        raise ValueError('write it as "22:00", in quotes')
    return text


Digits = Annotated[str, Field(max_length=32), AfterValidator(_digits)]
Clock = Annotated[str, Field(max_length=5), AfterValidator(_clock)]


# aliases of YAML can make a small file a huge value: what is quoted of it has a bound
_FOUND = reprlib.Repr()
_FOUND.maxlevel, _FOUND.maxdict, _FOUND.maxlist, _FOUND.maxstring = 2, 4, 4, 60


class RuleSettings(Strict):
    """What every rule has."""

    rule: UID
    name: str = Field(min_length=1, max_length=120, description="what people read")
    severity: Severity = "warning"
    sites: list[UID] = Field(default=[], description="empty = all")
    to: list[UID] = Field(default=[], description="channels; the page is told always")
    live: bool = Field(
        default=True, description="false = it tells nobody, and can be tried on stored calls"
    )

    def head(self) -> dict[str, Any]:
        """Give what the rule has in common with all others."""
        return {
            "rule_uid": self.rule,
            "name": self.name,
            "severity": self.severity,
            "sites": frozenset(self.sites),
            "to": tuple(self.to),
            "live": self.live,
        }


class BlacklistSettings(RuleSettings):
    """A number that nobody should talk to."""

    kind: Literal["blacklist"]
    numbers: list[Digits] = Field(default=[], max_length=NUMBERS_MAX, description="+49301234")
    prefixes: list[Digits] = Field(default=[], max_length=NUMBERS_MAX, description="+882")
    side: Literal["calling", "called", "either"] = Field(
        default="either", description="whose number is looked at"
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.numbers and not self.prefixes:
            raise ValueError("numbers, prefixes: give one at least")
        return self

    def made(self) -> Rule:
        """Give the rule."""
        return BlacklistRule(
            **self.head(),
            numbers=frozenset(map(int, self.numbers)),
            prefixes=frozenset(map(int, self.prefixes)),
            side=self.side,
        )


class LongCallSettings(RuleSettings):
    """A call that was connected for so long."""

    kind: Literal["long_call"]
    talk_minutes_min: int = Field(ge=1, le=10_080)

    def made(self) -> Rule:
        """Give the rule."""
        return LongCallRule(**self.head(), talk_min_ms=self.talk_minutes_min * _MINUTE_MS)


class ExpensiveCallSettings(RuleSettings):
    """A call for which one price list charges so much."""

    kind: Literal["expensive_call"]
    cost_min: dict[
        Annotated[str, Field(pattern=r"^[A-Z]{3}$")],
        Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=9)],
    ] = Field(min_length=1, description="amount by currency; other currencies pass")
    price_list: str | None = Field(default=None, description="none = any")

    def made(self) -> Rule:
        """Give the rule."""
        return ExpensiveCallRule(
            **self.head(),
            cost_min_nanos={c: int(amount.scaleb(9)) for c, amount in self.cost_min.items()},
            price_list=self.price_list,
        )


class EmergencyCallSettings(RuleSettings):
    """Somebody called for help; each call is told by itself."""

    kind: Literal["emergency_call"]

    def made(self) -> Rule:
        """Give the rule."""
        return EmergencyCallRule(**self.head())


class NightPremiumSettings(RuleSettings):
    """A premium-rate destination was called at night, by the zone of the site."""

    kind: Literal["night_premium"]
    night_from: Clock = Field(default="22:00", description="the night begins")
    night_until: Clock = Field(default="06:00", description="and ends")
    prefixes: list[Digits] = Field(
        default=[],
        max_length=NUMBERS_MAX,
        description="destinations besides those that the number plan calls premium",
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.night_from == self.night_until:
            raise ValueError("night_from, night_until: the night has no length; change one")
        return self

    def made(self) -> Rule:
        """Give the rule."""
        minutes = [
            (moment := time.fromisoformat(text)).hour * 60 + moment.minute
            for text in (self.night_from, self.night_until)
        ]
        return NightPremiumRule(
            **self.head(),
            from_minute=minutes[0],
            until_minute=minutes[1],
            prefixes=frozenset(map(int, self.prefixes)),
        )


class SilentPbxSettings(RuleSettings):
    """A PBX that usually sends records sends none."""

    kind: Literal["silent_pbx"]
    silent_minutes: float = Field(gt=0, le=10_080)
    records_min: float = Field(
        default=5, gt=0, description="judged only where so many are usual in that time"
    )
    usual_per_hour: float | None = Field(
        default=None,
        gt=0,
        description="records per hour; none = what came at this hour of the last four weeks",
    )
    pbxs: list[UID] = Field(default=[], description="empty = all")

    def made(self) -> Rule:
        """Give the rule."""
        return SilentPbxRule(
            **self.head(),
            silent_ms=round(self.silent_minutes * _MINUTE_MS),
            records_min=self.records_min,
            usual_per_hour=self.usual_per_hour,
            pbxs=frozenset(self.pbxs),
        )


AnyRule = Annotated[
    BlacklistSettings
    | LongCallSettings
    | ExpensiveCallSettings
    | EmergencyCallSettings
    | NightPremiumSettings
    | SilentPbxSettings,
    Field(discriminator="kind"),
]


def _network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


class ChannelSettings(Strict):
    """What every channel has."""

    channel: UID
    numbers: Literal["masked", "full"] = Field(
        default="masked", description="how numbers of phones leave the house"
    )


Url = Annotated[str, Field(pattern=r"^https?://[^\s@]+$", max_length=2_000)]
_NETWORKS = (
    "networks inside the house that it may reach, such as 10.0.0.0/8; others that are not public"
    " are refused"
)
Networks = list[Annotated[str, AfterValidator(_network)]]


class WebhookSettings(ChannelSettings):
    """Each alert as a signed POST of JSON."""

    type: Literal["webhook"]
    url: Url
    secret_file: Path = Field(description="file with the secret that signs; 16 letters at least")
    networks: Networks = Field(default=[], description=_NETWORKS)


class AlertmanagerSettings(ChannelSettings):
    """Each alert to an Alertmanager, API v2."""

    type: Literal["alertmanager"]
    url: Url = Field(description="such as http://alertmanager:9093")
    networks: Networks = Field(default=[], description=_NETWORKS)


class MailSettings(ChannelSettings):
    """Each alert as a mail."""

    type: Literal["mail"]
    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65_535)
    tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="none only where the server is this machine"
    )
    ca: Path | None = Field(default=None, description="authority of its certificate; none = public")
    user: str | None = None
    password_file: Path | None = None
    sender: str = Field(pattern=r"^[^\s@<>]+@[^\s@<>]+$")
    recipients: list[Annotated[str, Field(pattern=r"^[^\s@<>]+@[^\s@<>]+$")]] = Field(
        min_length=1, max_length=100
    )

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user, password_file: give both or none")
        if self.tls == "none" and (
            self.user is not None or self.host not in {"localhost", "127.0.0.1", "::1"}
        ):
            raise ValueError("tls: a mail or a password would travel in the clear; use starttls")
        return self


Channel = WebhookSettings | AlertmanagerSettings | MailSettings
AnyChannel = Annotated[Channel, Field(discriminator="type")]


class AlertingSettings(Strict):
    """Rules, and channels that they may tell."""

    channels: list[AnyChannel] = Field(default=[], max_length=100)
    rules: list[AnyRule] = Field(default=[], max_length=1_000)


@dataclass(frozen=True, slots=True)
class Alerting:
    """A file of rules that was found good."""

    rules: Rules = NO_RULES
    channels: Mapping[str, Channel] = field(default_factory=dict)
    settings: AlertingSettings = field(default_factory=AlertingSettings)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with a file of rules, and what to do."""

    file: str
    line: int
    field: str
    problem: str
    remedy: str

    def text(self) -> str:
        """Say it in a line."""
        place = f"{self.file}:{self.line}"
        where = f"{self.field}: " if self.field else ""
        return f"{place}: {where}{self.problem}; {self.remedy}"


class AlertingError(ConfigurationError):
    """A file of rules that is refused; `found` says each mistake by itself."""

    def __init__(self, found: list[Mistake]) -> None:
        super().__init__([mistake.text() for mistake in found])
        self.found = tuple(found)


def read_alerting(path: Path | None) -> Alerting:
    """Read the file of rules; None = there is none, so there is nothing to tell.

    Raises
    ------
    AlertingError
        With every mistake.
    """
    if path is None:
        return Alerting()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AlertingError(
            [Mistake(str(path), 1, "", f"cannot be read ({error})", "correct `alerts`")]
        ) from error
    return parse_alerting(text, str(path), path.parent)


def parse_alerting(text: str, file: str, base: Path) -> Alerting:
    """Read rules from text; `file` is how mistakes name it, `base` where its paths begin.

    Raises
    ------
    AlertingError
        With every mistake.
    """
    if len(text.encode()) > TEXT_BYTES_MAX:
        raise AlertingError([Mistake(file, 1, "", "is larger than 4 MiB", "split it")])
    try:
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
            document = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        said = str(getattr(error, "problem", None) or error)
        raise AlertingError(
            [Mistake(file, line, "", f"not YAML: {said}", "check indentation and quotes")]
        ) from error
    try:
        settings = AlertingSettings.model_validate({} if document is None else document)
    except ValidationError as error:
        found = [_mistake(file, node, e) for e in error.errors()[:MISTAKES_MAX]]
        raise AlertingError(found) from None  # its text would quote all of it
    found = _twice_or_nowhere(settings, file, node)
    if found:
        raise AlertingError(found)
    return Alerting(
        Rules(tuple(rule.made() for rule in settings.rules)),
        {c.channel: _anchored(c, base) for c in settings.channels},
        settings,
    )


def _anchored(channel: Channel, base: Path) -> Channel:
    files = ("secret_file", "password_file", "ca")
    found = {n: base / path for n in files if (path := getattr(channel, n, None)) is not None}
    return channel.model_copy(update=found)


def _twice_or_nowhere(
    settings: AlertingSettings, file: str, node: yaml.Node | None
) -> list[Mistake]:
    """Find names that stand twice, and channels that are named and not declared."""
    found: list[Mistake] = []
    for key, names in (
        ("rules", [r.rule for r in settings.rules]),
        ("channels", [c.channel for c in settings.channels]),
    ):
        for i, name in enumerate(names):
            if name in names[:i]:
                found.append(
                    Mistake(file, line_of(node, [key, i]), f"{key}.{i}",
                            f"{name!r} stands twice", "choose another name")
                )  # fmt: skip
    known = {c.channel for c in settings.channels}
    for i, rule in enumerate(settings.rules):
        for missing in sorted(set(rule.to) - known):
            remedy = f"declare it, or use one of {', '.join(sorted(known)) or 'none'}"
            found.append(
                Mistake(file, line_of(node, ["rules", i, "to"]), f"rules.{i}.to",
                        f"{missing!r} is no channel", remedy)
            )  # fmt: skip
    return found


_TAGS = frozenset(
    {
        "blacklist", "long_call", "expensive_call", "emergency_call", "night_premium",
        "silent_pbx", "webhook", "alertmanager", "mail",
    }
)  # fmt: skip


def _mistake(file: str, node: yaml.Node | None, error: Any) -> Mistake:
    location = [
        x for i, x in enumerate(error["loc"]) if not (i == 2 and x in _TAGS) and x != "[key]"
    ]
    remedy = {
        "missing": "add it",
        "extra_forbidden": "remove it, or correct its spelling",
        "value_error": "see docs/guides/alerts.md",
    }.get(error["type"])
    if remedy is None:
        remedy = f"found {_FOUND.repr(error.get('input'))}"
    problem = str(error["msg"]).removeprefix("Value error, ")
    line = line_of(node, location)
    return Mistake(file, line, ".".join(map(str, location)), problem, remedy)


def line_of(node: yaml.Node | None, location: list[Any]) -> int:
    """Give the line on which a key of a document stands, or the one it should stand below."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, node = key.start_mark.line + 1, value
                    break
            else:
                return line
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                return line
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
