"""Every setting of every role, read once from the environment and ``.env``; names are those of ``env.local``."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tocsin import channels
from tocsin.egress import allow
from tocsin.embedded import runtime

CommaList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """One immutable object; an invalid value is refused at start with the name of the variable."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    # where things are
    database_url: str = Field("", description="PostgreSQL DSN; empty = the embedded one")
    kafka_bootstrap_servers: str = Field("", description="host:port list; empty = the embedded broker")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = ""
    kafka_sasl_username: str = ""
    kafka_sasl_password: SecretStr = SecretStr("")
    kafka_ca_file: Path | None = Field(None, description="default: the authorities of the system")
    data_dir: Path = Field(Path(".tocsin"), alias="TOCSIN_DATA_DIR")
    installation: str = Field("tocsin", alias="TOCSIN_INSTALLATION", pattern=r"^[a-z0-9-]{1,32}$")
    partitions: int = Field(4, alias="TOCSIN_PARTITIONS", ge=1, le=512)

    # HTTP
    api_host: str = "127.0.0.1"
    api_port: int = Field(8000, ge=1, le=65535)
    metrics_port: int = Field(9464, ge=1, le=65000)
    forwarded_allow_ips: str = "127.0.0.1"
    open_unversioned: bool | None = Field(None, alias="TOCSIN_OPEN_UNVERSIONED")
    command_wait_seconds: float = Field(5.0, alias="TOCSIN_COMMAND_WAIT_SECONDS", ge=0, le=60)
    key_pepper: SecretStr = Field(SecretStr(""), alias="TOCSIN_KEY_PEPPER")
    encryption_keys: SecretStr = Field(SecretStr(""), alias="TOCSIN_ENCRYPTION_KEYS")
    open_sources: CommaList = Field((), alias="TOCSIN_OPEN_SOURCES")
    allowed_origins: CommaList = Field((), alias="TOCSIN_ALLOWED_ORIGINS", description="scheme://host[:port] of pages")
    max_live_clients: int = Field(2_000, alias="TOCSIN_MAX_LIVE_CLIENTS", ge=0, le=100_000, description="a process")

    # secrets of webhook sources: two may be live, comma-separated
    sentry_client_secret: SecretStr = SecretStr("")
    datadog_webhook_secret: SecretStr = SecretStr("")
    alertmanager_webhook_secret: SecretStr = SecretStr("")
    grafana_webhook_secret: SecretStr = SecretStr("")
    github_webhook_secret: SecretStr = SecretStr("")
    standard_webhook_secret: SecretStr = SecretStr("")
    pagerduty_routing_keys: SecretStr = SecretStr("")
    sns_topic_arns: CommaList = ()

    # where notifications go; the URLs are secrets
    slack_webhook_url: SecretStr = SecretStr("")
    slack_webhook_urls: SecretStr = Field(SecretStr(""), description="name=url, comma-separated")

    # what may be reached besides public hosts
    egress_allow: CommaList = Field((), alias="TOCSIN_EGRESS_ALLOW", description="host|CIDR[:port|:low-high]")

    # AWS, where tasks have tokens of Step Functions or are polled by Lambda functions; credentials as boto3 finds them
    aws_endpoint_url_stepfunctions: str = Field("", description="empty = AWS itself")
    aws_endpoint_url_lambda: str = Field("", description="empty = AWS itself")
    poll_lambdas: CommaList = Field((), alias="TOCSIN_POLL_LAMBDAS", description="functions that tasks may invoke")
    aws_repeat_settlements: bool = Field(False, alias="TOCSIN_AWS_REPEAT_SETTLEMENTS")

    # policies
    tickets_config_path: Path = Path("deploy/tickets.yaml")
    grouping_config_path: Path = Path("deploy/grouping.yaml")
    sla_config_path: Path = Path("deploy/sla.yaml")
    mappers_config_path: Path = Path("deploy/mappers.yaml")

    # SLA
    scheduler_interval_minutes: int = Field(1, ge=1, le=1440, description="open clocks are looked at again so often")
    public_url: str = Field("", description="where people reach tocsin; empty = where this machine does")

    # limits
    max_jobs_per_workspace: int = Field(100, ge=1, le=100_000, description="neither deleted nor finished")

    # retention
    events_retention_days: int = Field(30, ge=1, le=3650)
    log_retention_days: int = Field(14, ge=7, le=14)
    duplicate_window_seconds: int = Field(600, alias="TOCSIN_DUPLICATE_WINDOW_SECONDS", ge=1, le=86_400)

    # streams
    session_timeout_seconds: float = Field(1.5, alias="TOCSIN_SESSION_TIMEOUT_SECONDS", ge=0.5, le=60)
    log_level: str = Field("INFO", alias="TOCSIN_LOG_LEVEL")
    log_dir: Path | None = Field(None, alias="TOCSIN_LOG_DIR", description="log files instead of stdout, rotated")

    @field_validator("open_sources", "sns_topic_arns", "egress_allow", "poll_lambdas", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("public_url")
    @classmethod
    def _is_link(cls, value: str) -> str:
        if value:
            channels.checked(value)
        return value

    @field_validator("egress_allow")
    @classmethod
    def _readable(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            allow.read(entry)
        return entries

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            parts = urlsplit(entry)
            if parts.scheme not in {"http", "https"} or not parts.netloc or parts[2:] != ("", "", ""):
                raise ValueError(f"{entry!r} is no origin; write scheme://host[:port] and nothing behind it")
        return tuple(entry.lower() for entry in entries)

    @field_validator("slack_webhook_url")
    @classmethod
    def _is_url(cls, value: SecretStr) -> SecretStr:
        if url := value.get_secret_value():
            channels.checked(url)
        return value

    @field_validator("slack_webhook_urls")
    @classmethod
    def _are_urls(cls, value: SecretStr) -> SecretStr:
        channels.named(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _whole_security(self) -> Self:
        """Half a set of credentials would be a connection that nobody meant."""
        sasl = (self.kafka_sasl_mechanism, self.kafka_sasl_username, self.kafka_sasl_password.get_secret_value())
        if self.kafka_security_protocol.startswith("SASL") != any(sasl) or any(sasl) != all(sasl):
            raise ValueError(
                "SASL takes all of KAFKA_SECURITY_PROTOCOL=SASL_SSL (or SASL_PLAINTEXT), KAFKA_SASL_MECHANISM, "
                "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, or none of them"
            )
        if self.kafka_ca_file is not None and not self.kafka_security_protocol.endswith("SSL"):
            raise ValueError("KAFKA_CA_FILE needs KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL")
        if self.kafka_security_protocol != "PLAINTEXT" and not self.kafka_bootstrap_servers:
            raise ValueError("KAFKA_SECURITY_PROTOCOL needs KAFKA_BOOTSTRAP_SERVERS: the embedded broker has no TLS")
        return self

    @property
    def loopback(self) -> bool:
        return self.api_host in {"127.0.0.1", "localhost", "::1"}

    @property
    def unversioned_is_open(self) -> bool:
        """Unversioned routes answer without a key: as set, else only on loopback."""
        return self.loopback if self.open_unversioned is None else self.open_unversioned

    @property
    def reachable_host(self) -> str:
        """How a client on this machine reaches the API."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.api_host, self.api_host)

    @property
    def link_base(self) -> str:
        """What links in messages begin with, without a slash at the end."""
        return (self.public_url or f"http://{_bracketed(self.reachable_host)}:{self.api_port}").rstrip("/")

    @property
    def metrics_host(self) -> str:
        """Where the roles serve their metrics: on loopback like the API, or on every address (inside a container)."""
        return "127.0.0.1" if self.loopback else "0.0.0.0"

    @property
    def kafka(self) -> str:
        """Bootstrap servers: as set, else of the embedded run in the data directory. Raises NotRunning."""
        return self.kafka_bootstrap_servers or runtime.running(self.data_dir).kafka

    @property
    def database(self) -> str:
        """PostgreSQL DSN: as set, else of the embedded run in the data directory. Raises NotRunning."""
        return self.database_url or runtime.running(self.data_dir).database


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


_GENERATED: Final = {"key_pepper": "TOCSIN_KEY_PEPPER", "encryption_keys": "TOCSIN_ENCRYPTION_KEYS"}


@functools.cache
def settings() -> Settings:
    """The settings of this process; secrets that are not set come from the data directory of the embedded run."""
    current = Settings()
    kept = {} if current.database_url else runtime.generated_secrets(current.data_dir)
    missing = {field: kept[name] for field, name in _GENERATED.items() if name in kept and not getattr(current, field)}
    return current.model_copy(update={field: SecretStr(value) for field, value in missing.items()})
