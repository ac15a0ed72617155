"""The one place that reads the environment.

Every setting is an environment variable of the same name in capitals (`DATABASE_URL`, `TEMPORAL_ADDRESS`, …).
Nothing is read at import: whoever starts a process calls `load()` once and passes the result on.
"""

from datetime import time
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What one deployment differs in from another."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    environment: Literal["local", "production"] = "local"
    local_dir: Path = Path(".local")
    """Data of the embedded servers and the local credentials; used only in local mode."""

    database_url: SecretStr | None = None
    """`postgresql://user:password@host/name`. Without it, `make run` brings PostgreSQL along."""
    temporal_address: str | None = None
    """`host:port`. Without it, `make run` brings Temporal along."""
    temporal_namespace: str = "default"
    temporal_ui_url: str | None = None
    temporal_tls: bool = False
    temporal_api_key: SecretStr | None = None

    api_host: str = "127.0.0.1"
    api_port: int | None = None
    """Without it, local mode prefers 8080 and takes a free port when that one is busy."""
    api_processes: int = Field(default=1, ge=1)
    """How many processes `abonent api` serves its port with; a Python process uses about one core."""
    public_url: str | None = None
    """The address under which the outside reaches the API; webhook signatures are made over it."""
    log_format: Literal["text", "json"] | None = None
    """Without it, JSON in production and text for people in local mode."""
    metrics_port: int | None = None
    """Where a worker process serves its own Prometheus metrics; none without it."""
    trusted_proxies: list[str] = []
    """Addresses of the operator's own reverse proxies; only their X-Forwarded-For is believed."""
    max_body_bytes: int = 1024 * 1024
    requests_per_second: int = 1000
    """Per credential and API process; more is answered with 429."""

    timezone: str = "Asia/Almaty"
    """The operator's zone: dates are decided in it, instants are kept in UTC."""
    operator_name: str = "ТОО «Абонент Телеком»"
    operator_bin: str = "990140000014"
    operator_iban: str = "KZ000000000000000000"
    operator_sector_code: str = Field(default="17", pattern=r"^[12][0-9]$")
    """КБе of the operator on payment orders: 17 is a resident, not financial, not of the state."""
    payer_sector_code: str = Field(default="19", pattern=r"^[12][0-9]$")
    """The same of those who pay: 19 is a resident household."""
    payment_purpose_code: str = Field(default="853", pattern=r"^[0-9]{3}$")
    """КНП of payments for services of communication, as the operator agreed it with its banks."""

    billing_schedule_enabled: bool = True
    """Whether the month's billing run starts by itself; it can be started by hand in any case."""
    billing_day: int = Field(default=1, ge=1, le=28)
    billing_hour: int = Field(default=2, ge=0, le=23)
    """When it starts, in the operator's zone."""
    billing_partition_size: int = Field(default=10_000, ge=1)
    """Accounts that one transaction bills: a payment of one of them waits for its end."""

    dunning_schedule_enabled: bool = True
    """Whether the daily round of dunning starts by itself."""
    dunning_hour: int = Field(default=6, ge=0, le=23)
    """When it starts, in the operator's zone: before the hours at which anybody is spoken to."""

    reconciliation_schedule_enabled: bool = True
    """Whether the days of banks are opened by themselves."""
    reconciliation_hour: int = Field(default=5, ge=0, le=23)
    """When, in the operator's zone: each day opens yesterday, and whatever days were missed."""
    max_registry_bytes: int = 16 * 1024 * 1024
    """The same as `max_body_bytes`, for registries and statements of banks."""

    sms_gateway: Literal["local", "twilio"] = "local"
    sms_per_second: int = 20
    sms_quiet_from: time = time(21, 0)
    sms_quiet_until: time = time(9, 0)
    sms_weekdays_only: bool = True
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_sender: str | None = None
    """A sender name (at most 11 characters), a number, or a messaging service (`MG…`)."""
    twilio_api_url: str | None = None
    """Only for a test server that speaks Twilio's protocol."""

    network_gateway: Literal["local"] = "local"
    allow_local_network_gateway: bool = False
    """Production must say on purpose that port and profile state live in the database alone."""

    @property
    def zone(self) -> ZoneInfo:
        """The operator's time zone."""
        return ZoneInfo(self.timezone)

    @model_validator(mode="after")
    def _twilio_is_complete(self) -> Self:
        if self.sms_gateway == "twilio":
            self._needs(
                "twilio_account_sid", "twilio_auth_token", "twilio_sender", "public_url", when="SMS_GATEWAY=twilio"
            )
        return self

    @model_validator(mode="after")
    def _production_is_complete(self) -> Self:
        if self.environment != "production":
            return self
        self._needs("database_url", "temporal_address", "public_url", when="ENVIRONMENT=production")
        if self.sms_gateway == "local":
            raise ValueError("SMS_GATEWAY=local sends nothing: set SMS_GATEWAY=twilio in production")
        if not self.allow_local_network_gateway:
            raise ValueError(
                "NETWORK_GATEWAY=local switches no real equipment: set ALLOW_LOCAL_NETWORK_GATEWAY=true "
                "if port and profile state in the database is all that you want"
            )
        for name in ("operator_name", "operator_bin", "operator_iban"):
            if getattr(self, name) == type(self).model_fields[name].default:
                raise ValueError(f"{name.upper()} still has its example value: set the operator's own")
        if self.database_url is not None and _password(self.database_url) in _WELL_KNOWN_PASSWORDS:
            raise ValueError("DATABASE_URL carries a well-known password: choose a secret one")
        return self

    def _needs(self, *names: str, when: str) -> None:
        for name in names:
            if getattr(self, name) is None:
                raise ValueError(f"{name.upper()} must be set when {when}")


_WELL_KNOWN_PASSWORDS = frozenset({"postgres", "password", "abonent", "changeme", "change-me"})


def _password(url: SecretStr) -> str | None:
    return urlsplit(url.get_secret_value()).password


def load() -> Settings:
    """Read the environment once.

    Raises:
        pydantic.ValidationError: a setting is missing or has a value that this environment forbids.
    """
    return Settings()
