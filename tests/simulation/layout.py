"""How a world is laid out: environments, physical tables and their targets, replicas."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from simulation.rows import Place

_NAMES = ("PRD", "STG", "CIT")


@dataclass(frozen=True, slots=True)
class Traits:
    """What a target's table is like."""

    bet_period: int
    auto_bet_stop: bool
    lenient: bool
    skew: timedelta


@dataclass(frozen=True, slots=True)
class Layout:
    """What there is before anything happens."""

    environments: tuple[str, ...]
    calm: str | None
    replicas: dict[str, int]
    physical: dict[str, tuple[Place, ...]]
    tables: tuple[tuple[tuple[str, str], Traits], ...]
    rounds: int
    lookout_s: float


def lay_out(random: Random) -> Layout:
    environments = _NAMES[: random.choice((1, 1, 2, 2, 3))]
    # where there are others, one may be spared all faults: nothing of it may ever wait
    calm = environments[-1] if len(environments) > 1 and random.random() < 0.3 else None
    physical, tables = {}, []
    for number in range(random.choice((2, 3, 4))):
        name = f"T{number + 1}"
        period = random.choice((5, 5, 5, 13))
        places = []
        for leg in range(random.choice((1, 1, 1, 2, 2, 3, 4, 6))):
            environment = environments[leg % len(environments)]
            place = Place(
                environment=environment,
                game_code=f"{name}-{leg}",
                required=environment == "PRD",
                bet_stop=random.choice(("auto", "auto", "driver")),
                finish_policy=random.choice(("manual", "manual", "auto")),
                deal_to_finish=timedelta(seconds=random.choice((0, 0, 2))),
                backups=(f"{name}-{leg}b",) if random.random() < 0.15 else (),
            )
            places.append(place)
            traits = _traits(random, period)
            tables += [((environment, code), traits) for code in (place.game_code, *place.backups)]
        physical[name] = tuple(places)
    return Layout(
        environments=environments,
        calm=calm,
        replicas={name: random.choice((1, 2, 2, 3)) for name in environments},
        physical=physical,
        tables=tuple(tables),
        rounds=random.choice((4, 6, 8)),
        lookout_s=random.choice((1.0, 2.0, 5.0)),
    )


def _traits(random: Random, period: int) -> Traits:
    skew = random.choice((0.0, 0.0, random.uniform(-0.3, 0.3), random.uniform(-4.0, 4.0)))
    return Traits(
        bet_period=period,
        auto_bet_stop=random.random() < 0.4,
        lenient=random.random() < 0.5,
        skew=timedelta(seconds=skew),
    )
