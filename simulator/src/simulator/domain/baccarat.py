"""Baccarat hands: six slots, suit first, no card twice, drawn by the rules."""

SLOTS = ("P1", "B1", "P2", "B2", "P3", "B3")
SUITS = "SHDC"
POINTS = {"A": 1, **{str(n): n for n in range(2, 10)}, "10": 0, "J": 0, "Q": 0, "K": 0}
NATURAL = 8
PLAYER_STANDS = 6
# The player's third cards on which the banker draws, by the banker's total.
BANKER_DRAWS = {
    0: range(10),
    1: range(10),
    2: range(10),
    3: (0, 1, 2, 3, 4, 5, 6, 7, 9),
    4: range(2, 8),
    5: range(4, 8),
    6: range(6, 8),
    7: (),
}


def check(value: object, slots: tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) != len(SLOTS):
        raise ValueError("baccarat must be a list of exactly six cards")
    cards = tuple(card for card in value if isinstance(card, str))
    if len(cards) != len(SLOTS):
        raise ValueError('each card of baccarat must be a string, "" for none')
    hand = dict(zip(slots, cards, strict=True))
    drawn = [card for card in cards if card]
    for card in drawn:
        if card[0] not in SUITS or card[1:] not in POINTS:
            raise ValueError(f"{card!r} is not a card: suit first, as in D2, S10, HK")
    if len(set(drawn)) != len(drawn):
        raise ValueError("a card stands in the baccarat result twice")
    _check_draw(hand)
    return cards


def _check_draw(hand: dict[str, str]) -> None:
    if not all(hand[slot] for slot in ("P1", "P2", "B1", "B2")):
        raise ValueError("player and banker must have two cards each")
    player = (_count(hand["P1"]) + _count(hand["P2"])) % 10
    banker = (_count(hand["B1"]) + _count(hand["B2"])) % 10
    player_draws = banker_draws = False
    if max(player, banker) < NATURAL:
        player_draws = player < PLAYER_STANDS
        banker_draws = banker < PLAYER_STANDS
        if player_draws and hand["P3"]:
            banker_draws = _count(hand["P3"]) in BANKER_DRAWS[banker]
    for side, draws in (("P3", player_draws), ("B3", banker_draws)):
        if bool(hand[side]) != draws:
            rule = "must" if draws else "may not"
            raise ValueError(f"{side} {rule} be drawn with these cards")


def _count(card: str) -> int:
    return POINTS[card[1:]]
