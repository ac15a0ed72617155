"""The ways out of the program: each a Protocol with a real and a local implementation."""

from activities.gateways.local_sms import LocalSmsGateway
from activities.gateways.sms import SmsGateway
from activities.gateways.twilio_sms import TwilioSmsGateway
from settings import Settings


def make_sms_gateway(settings: Settings) -> SmsGateway:
    """The SMS gateway that the settings name; connects to nothing yet."""
    if settings.sms_gateway == "local":
        return LocalSmsGateway(settings.local_dir)
    assert settings.twilio_account_sid is not None, "checked by the settings"
    assert settings.twilio_auth_token is not None, "checked by the settings"
    assert settings.twilio_sender is not None, "checked by the settings"
    assert settings.public_url is not None, "checked by the settings"
    return TwilioSmsGateway(
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_token.get_secret_value(),
        sender=settings.twilio_sender,
        public_url=settings.public_url,
        api_url=settings.twilio_api_url,
    )
