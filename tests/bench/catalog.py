"""Every scenario, in the order they run; each is a module of its own with a function `run`."""

from typing import Final

from bench import (
    betstop,
    config,
    demo,
    fanout,
    growth,
    isolation,
    logs,
    memory,
    metrics,
    overhead,
    recovery,
    scaling,
    throughput,
)
from bench.scenario import Scenario

SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario("overhead", "What a start costs over the tables' own time", overhead.run),
    Scenario("throughput", "Durable commands a second, beside Temporal", throughput.run),
    Scenario("growth", "Ten studios at once, and what a command costs", growth.run),
    Scenario("fanout", "One command on many targets of one environment", fanout.run),
    Scenario("isolation", "What the others feel of a broken environment", isolation.run),
    Scenario("betstop", "Bets stopped on time, a hundred rounds open", betstop.run),
    Scenario("scaling", "One replica becomes five, under load", scaling.run),
    Scenario("recovery", "Commands succeed again after a process was killed", recovery.run),
    Scenario("memory", "What a replica holds on to after many commands", memory.run),
    Scenario("demo", "From one command to rounds being played", demo.run),
    Scenario("config", "A change of configuration, in force on every replica", config.run),
    Scenario("logs", "Lines taken, written and found", logs.run),
    Scenario("metrics", "Events counted, and what one costs", metrics.run),
)
