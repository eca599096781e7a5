"""What a gateway is told."""

from fleetkit.settings import Settings as FleetSettings
from pydantic import SecretStr


class Settings(FleetSettings):
    """Where the inner door is, the key shown there, and the first admin's key."""

    inner_url: str = "http://127.0.0.1:8081"
    inner_key: SecretStr
    admin_key: SecretStr
