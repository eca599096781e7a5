"""Worlds that once broke an invariant of the engine; each is played again in every run."""

SEEDS = {
    "7.14": "a cancel whose start was never sent cancelled the orphan of an earlier round (4)",
    "9.3": "such a cancel was accepted for an earlier round's cancelled one (8)",
    "9.5": "the same as 7.14, on another table (4)",
    "9.91": "a table whose clock is behind refused a result while its bets were open (1)",
    "13.382": "two starts of a round took effect, the first long after it was given up (2)",
    "22.582": "a start took the round of a cancel before it for its own, ended elsewhere (8)",
    "22.845": "a cancel took a late round of an earlier start for its own (4)",
    "m.72": "a cancel was accepted for the round that the one before it had cancelled (8)",
    "m.91": "a cancel whose start was never sent cancelled an earlier round (4)",
}
