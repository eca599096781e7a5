"""What a replica is told."""

import ssl

from pydantic import SecretStr, field_validator

from fleetkit.settings import Settings as FleetSettings


class Settings(FleetSettings):
    """Its environment, and the secret that the gateway shows at the inner door."""

    environment: str
    inner_key: SecretStr
    ca_file: str | None = None

    @field_validator("environment")
    @classmethod
    def _upper(cls, name: str) -> str:
        return name.upper()

    @field_validator("ca_file")
    @classmethod
    def _holds_authorities(cls, path: str | None) -> str | None:
        if path is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
            except (OSError, ValueError) as error:  # ssl's own errors are of the first kind
                raise ValueError("must be a file of certificates in PEM form") from error
        return path
