"""The part of a configuration that roles add: where log, database and peers are.

Owns the shape of `cluster` and `units`. The embedded runtime needs neither.
Every key can also come from the environment (`BLUEWHALE_CLUSTER__KAFKA__BOOTSTRAP`);
secrets belong there, not into the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from bluewhale.configuration.shape import UID, Strict
from pydantic import Field, model_validator

Address = Annotated[str, Field(pattern=r"^(\S+):\d{1,5}$|^unix:\S+$")]
WILDCARDS = ("0.0.0.0", "[::]")  # noqa: S104 - what a person may write, not what we bind


class KafkaSettings(Strict):
    """The log between the roles."""

    bootstrap: str = Field(default="127.0.0.1:9092", description="brokers, host:port,host:port")
    prefix: str = Field(
        default="",
        pattern=r"^[a-zA-Z0-9._-]{0,64}$",
        description="begins the names of topics and groups, so that installations share a cluster",
    )
    partitions: int = Field(
        default=4, ge=1, le=1024, description="of each topic; fixed when the topics are made"
    )
    replication: int = Field(default=1, ge=1, le=9, description="copies of each partition")
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        default="plaintext", description="how brokers are connected to: ssl encrypts, sasl signs in"
    )
    ca: Path | None = Field(
        default=None,
        description="with ssl: file of the authority of the brokers; none = as the system trusts",
    )
    certificate: Path | None = Field(
        default=None, description="with ssl: file of our certificate, where brokers ask for one"
    )
    key: Path | None = Field(default=None, description="and its key")
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="with sasl"
    )
    username: str = Field(default="", description="with sasl")
    password_file: Path | None = Field(
        default=None,
        description="with sasl: file of the password, read for each connection: a Secret that"
        " changes needs no restart",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.security.startswith("sasl") and not (self.username and self.password_file):
            raise ValueError(f"security {self.security} needs username and password_file")
        if not self.security.startswith("sasl") and (self.username or self.password_file):
            raise ValueError(f"security {self.security} knows no user: sasl_ssl does")
        if not self.security.endswith("ssl") and (self.ca or self.certificate or self.key):
            raise ValueError(f"security {self.security} knows no certificates: ssl does")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key: give both or none")
        return self


class DatabaseSettings(Strict):
    """The main database of the roles."""

    url: str = Field(
        default="",
        pattern=r"^$|^postgres(ql)?://",
        repr=False,
        description="postgresql://user:password@host/database; empty = SQLite in the folder `data`",
    )
    url_file: Path | None = Field(
        default=None,
        description="file that holds the url instead, read for each connection: a Secret that"
        " changes needs no restart",
    )
    segments: Path = Field(
        default=Path("segments"), description="folder of sealed segments, shared by all of storage"
    )

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.url and self.url_file:
            raise ValueError("url and url_file: give one of them")
        return self


class RedisSettings(Strict):
    """What may be lost: caches, limits, fan-out."""

    url: str | None = Field(
        default=None, repr=False, description="redis://host:port/number; none = in memory"
    )


class TelemetrySettings(Strict):
    """Where traces go."""

    otlp_endpoint: str | None = Field(default=None, description="OTLP over gRPC; none = no traces")
    sample_ratio: float = Field(
        default=0.01, ge=0, le=1, description="share of frames that start a trace"
    )


class ServerSettings(Strict):
    """Where a role answers other roles and the command."""

    listen: Address
    advertised: str | None = Field(
        default=None, description="where others reach it (host:port, dns:///name:port)"
    )

    @property
    def address(self) -> str:
        """Give where others reach this server."""
        if self.advertised:
            return self.advertised
        host, _, port = self.listen.rpartition(":")
        return f"127.0.0.1:{port}" if host in WILDCARDS else self.listen


class KubernetesTermSettings(Strict):
    """The Lease that says which copy of ingest leads."""

    lease: UID = Field(default="bluewhale-ownership", description="its name")
    namespace: str = Field(default="", description="empty = that of the service account")
    api: str = Field(
        default="", description="the API server, https://host:port; empty = as a pod finds it"
    )
    credentials: Path = Field(
        default=Path("/var/run/secrets/kubernetes.io/serviceaccount"),
        description="folder of the service account: token, ca.crt, namespace",
    )


class TermSettings(Strict):
    """Where copies of ingest agree which of them leads: in the main database, always."""

    kubernetes: KubernetesTermSettings | None = Field(
        default=None, description="and in a Lease of this Kubernetes; none = in the database alone"
    )


class OwnershipSettings(Strict):
    """Which of several units reads a link, and how fast another takes over."""

    profile: Literal["default", "fast"] = Field(
        default="default",
        description="default: a lost unit is replaced within 20 s; fast: within 9 s; of ingest's"
        " own term, and of units without `failover`",
    )
    failback_hold_s: float | None = Field(
        default=300.0,
        ge=0,
        description="a link goes back to its preferred unit after that was there for so long;"
        " none = only by order; of links without `failback`",
    )
    term: TermSettings = Field(
        default=TermSettings(), description="where copies agree which of them leads"
    )


class IngestSettings(ServerSettings):
    """The role that units connect to."""

    listen: Address = "127.0.0.1:7440"
    internal: ServerSettings = Field(
        default=ServerSettings(listen="127.0.0.1:7441"),
        description="where it answers other roles and the command",
    )
    authority: Path = Field(
        default=Path("authority"), description="folder of the certificate authority of the units"
    )
    authority_create: bool = Field(
        default=False, description="make the authority at the first start if the folder is empty"
    )
    plaintext: bool = Field(
        default=False,
        description="no certificates at all: for tests, on addresses of this machine alone",
    )
    enrolment: Address = Field(
        default="127.0.0.1:7444", description="where new units bring their token; TLS"
    )
    enrolments_per_second: float = Field(
        default=1.0, gt=0, le=1_000, description="of one address, after a burst of five"
    )
    certificate_days: int = Field(default=30, ge=1, le=365, description="life of a certificate")
    names: list[str] = Field(
        default=["localhost", "127.0.0.1"],
        description="names and addresses in the certificate of the server",
    )
    heartbeat_ms: int = Field(default=5_000, ge=100, description="units report this often")
    window_kib: int = Field(
        default=4_096, ge=256, description="bytes in flight per unit, before it waits for marks"
    )
    marks_interval_ms: int = Field(
        default=200, ge=20, description="storage is asked this often what is stored"
    )
    ownership: OwnershipSettings = OwnershipSettings()


class ParserSettings(ServerSettings):
    """The role that makes legs of frames."""

    listen: Address = "127.0.0.1:7445"

    batch_rows_max: int = Field(default=4_096, ge=1, description="rows of one message")
    linger_ms: int = Field(default=50, ge=0, description="a message waits this long for more rows")
    reject_ratio_max: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="a stream with a larger share of rejected records is suspended",
    )
    reject_rows_min: int = Field(
        default=500, ge=10, description="records of a stream that the share is taken over"
    )


class BillingSettings(ServerSettings):
    """The role that makes calls and charges of legs."""

    listen: Address = "127.0.0.1:7443"
    held_rows_max: int = Field(
        default=100_000,
        ge=1_000,
        description="legs held, shared by all partitions; more are offered at once",
    )
    tariffs_poll_ms: int = Field(
        default=2_000, ge=100, description="looks this often for an activated tariff"
    )


class StorageSettings(ServerSettings):
    """The role that owns the main database and answers questions."""

    listen: Address = "127.0.0.1:7442"


class WebapiSettings(ServerSettings):
    """The role that serves the page and the REST API; where these listen is in `web`."""

    listen: Address = "127.0.0.1:7446"


class HealthSettings(Strict):
    """Where a role answers /livez, /readyz, /startupz and /metrics."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535, description="0 = any free port, said in the log")


class ClusterSettings(Strict):
    """What the roles share; every role reads all of it."""

    kafka: KafkaSettings = KafkaSettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    ingest: IngestSettings = IngestSettings()
    parser: ParserSettings = ParserSettings()
    billing: BillingSettings = BillingSettings()
    storage: StorageSettings = StorageSettings()
    webapi: WebapiSettings = WebapiSettings()
    health: HealthSettings = HealthSettings()
    plugins: list[str] = Field(
        default=[], description="installed plugins that every role starts too, by symbolic name"
    )
    layers: list[dict[str, Any]] | None = Field(
        default=None,
        description="governance of requests between parts, the outermost first: see plugins.md; "
        "none = monitoring, deadline, access with its own policy",
    )


class FailoverSettings(Strict):
    """How fast another unit takes over the links of a unit: see ownership.md."""

    lease_s: float = Field(
        ge=3, le=300, description="what the unit may count on without an answer of ingest"
    )
    deadline_s: float = Field(
        ge=2,
        le=299,
        description="a unit that restarts without ingest reads what it read before after so long",
    )
    retry_s: float = Field(ge=1, le=100, description="pause between two renewals")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lease_s <= self.deadline_s:
            raise ValueError("lease_s must be more than deadline_s")
        if self.deadline_s <= 1.2 * self.retry_s:
            raise ValueError("deadline_s must be more than 1.2 times retry_s")
        return self


class FailbackSettings(Strict):
    """Whether a link goes back to its preferred unit when that is there again."""

    mode: Literal["automatic", "manual"] = Field(
        default="automatic", description="manual: by order alone"
    )
    hold_s: float = Field(
        default=300.0,
        ge=0,
        le=604_800,
        description="with automatic: after so long of uninterrupted presence",
    )


class UnitSettings(Strict):
    """One Remote Unit and the links that it reads."""

    unit_uid: UID = Field(description="name of the unit for ever; its token and certificate say it")
    name: str = ""
    site_uid: UID | None = Field(default=None, description="where it stands")
    links: list[UID] = Field(
        min_length=1,
        description="a link may have two units; the one named first is preferred, unless the"
        " link says which",
    )
    failover: FailoverSettings | None = Field(
        default=None, description="its timings; none = cluster.ingest.ownership.profile"
    )
    trace: bool = Field(default=False, description="trace every frame of this unit")
