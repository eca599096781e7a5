"""What the demo's devices log, so that there is something to find."""

from typing import Final

LINES: Final[list[dict[str, object]]] = [
    {"device_id": device, "level": level, "service": service, "message": message, "metadata": more}
    for device, level, service, message, more in (
        ("wheel-01", "info", "wheel-controller", "The wheel was started.", {"rpm": 31.5}),
        ("wheel-01", "info", "wheel-controller", "The ball was released.", {"rpm": 31.2}),
        ("wheel-01", "warning", "wheel-controller", "The wheel turns slowly.", {"rpm": 24.0}),
        ("wheel-02", "error", "wheel-controller", "The ball left the wheel.", {"rpm": 33.8}),
        ("shaker-01", "info", "dice-shaker", "The dice were shaken.", {"seconds": 4}),
        ("shaker-01", "error", "dice-shaker", "A die lies on its edge.", {"die": 2}),
        ("scanner-01", "debug", "card-scanner", "A card was read.", {"card": "7H"}),
        ("scanner-01", "critical", "card-scanner", "The lens is covered.", {"since_s": 12}),
    )
]
