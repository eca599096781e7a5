"""Worlds that once broke an invariant of the engine; each is played again in every run."""

SEEDS = {
    "13.382": "a cancel found nothing, though the start it overtook had gone out and came late (4)",
    "22.582": "a start took the round of a cancel before it for its own, ended elsewhere (8)",
    "22.845": "a cancel took a late round of an earlier start for its own (4)",
    "50/0.69": "a cancel forgot the round it had cancelled, and the next took it for its own (8)",
    "k.31": "a start that knew an old round only took the late one of another for its own (4)",
    "k.128": "a cancel was accepted for the round that the one before it had cancelled (8)",
    "m.91": "a cancel whose start was never sent cancelled an earlier round (4)",
}
