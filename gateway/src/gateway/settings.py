"""What a gateway is told."""

from pydantic import SecretStr

from fleetkit.settings import Settings as FleetSettings


class Settings(FleetSettings):
    """Where the inner door is, the key shown there, and the first admin's key."""

    inner_url: str = "http://127.0.0.1:8081"
    inner_key: SecretStr
    admin_key: SecretStr
