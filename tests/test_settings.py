"""Production refuses what is only good for trying out, and names the setting."""

import os
from typing import Any

import pytest
from pydantic import ValidationError

from settings import Settings, load

PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "database_url": "postgresql://abonent:a-long-and-secret-one@db/abonent",
    "temporal_address": "temporal:7233",
    "public_url": "https://abonent.example",
    "sms_gateway": "twilio",
    "twilio_account_sid": "AC0",
    "twilio_auth_token": "another-secret",
    "twilio_sender": "Abonent",
    "allow_local_network_gateway": True,
    "operator_name": "ТОО «Пример»",
    "operator_bin": "000140000000",
    "operator_iban": "KZ111111111111111111",
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests has a say."""
    for name in list(os.environ):
        if name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)


def test_nothing_needs_to_be_set_in_local_mode() -> None:
    settings = load()
    assert settings.environment == "local"
    assert settings.database_url is None
    assert settings.sms_gateway == "local"


def test_complete_production_settings_are_accepted() -> None:
    assert Settings(**PRODUCTION).environment == "production"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", None),
        ("temporal_address", None),
        ("public_url", None),
        ("sms_gateway", "local"),
        ("twilio_account_sid", None),
        ("twilio_auth_token", None),
        ("twilio_sender", None),
        ("allow_local_network_gateway", False),
        ("operator_name", Settings.model_fields["operator_name"].default),
        ("operator_bin", Settings.model_fields["operator_bin"].default),
        ("operator_iban", Settings.model_fields["operator_iban"].default),
        ("database_url", "postgresql://abonent:postgres@db/abonent"),
        ("database_url", "postgresql://abonent:changeme@db/abonent"),
    ],
)
def test_production_refuses_and_names_the_setting(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name.upper()):
        Settings(**{**PRODUCTION, name: value})


def test_a_secret_is_not_shown_when_the_settings_are() -> None:
    shown = repr(Settings(**PRODUCTION))
    assert "a-long-and-secret-one" not in shown
    assert "another-secret" not in shown


def test_the_environment_is_read_by_the_names_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere:7233")
    monkeypatch.setenv("API_PORT", "")
    assert load().temporal_address == "elsewhere:7233"
    assert load().api_port is None
