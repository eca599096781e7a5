"""What a replica is told."""

from pydantic import SecretStr, field_validator

from fleetkit.settings import Settings as FleetSettings


class Settings(FleetSettings):
    """Its environment, and the secret that the gateway shows at the inner door."""

    environment: str
    inner_key: SecretStr

    @field_validator("environment")
    @classmethod
    def _upper(cls, name: str) -> str:
        return name.upper()
