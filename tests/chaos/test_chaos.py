"""A short run of the long one: whatever dies or breaks, nothing is lost and nothing doubled."""

from chaos import plan, report
from chaos.plan import Action
from chaos.running import run

ENVIRONMENTS = ("CIT", "PRD", "STG")
SEED = 2242
CONSOLES = 6


async def test_whatever_dies_or_breaks_every_round_ends_and_nothing_is_lost_or_doubled() -> None:
    drawn = plan.draw(SEED, 0.5, ENVIRONMENTS, per_minute=30)
    ended = {one.target for one in drawn if one.action in {Action.KILL, Action.RESTART}}
    assert ended > {"gateway", "nginx", "postgres", "redis"}
    said: list[str] = []
    done = await run(
        drawn,
        seed=SEED,
        consoles=CONSOLES,
        environments=ENVIRONMENTS,
        replicas=1,
        say=said.append,
    )
    told = "\n".join([*said, *report.show(done)])
    assert done.ok, told
    assert len(done.score.rounds) > CONSOLES, told
    assert sum(one.struck for one in done.recoveries) == len(drawn), told
    assert done.aftermath.verified["rounds"] >= len(done.score.rounds)
    assert done.aftermath.surprises == 0, told
