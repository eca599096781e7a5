import string
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetkit.errors import Invalid
from ledger.domain import baccarat, results
from ledger.domain.results import Result

SUITS = "SHDC"
RANKS = ["A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K"]
CARDS = [suit + rank for suit in SUITS for rank in RANKS]
POINTS = {rank: min(place, 10) % 10 for place, rank in enumerate(RANKS, start=1)}
# the tableau as casinos print it: a row per banker's total, a column per player's third card 0-9,
# then the player standing
TABLEAU = {
    0: "DDDDDDDDDDD",
    1: "DDDDDDDDDDD",
    2: "DDDDDDDDDDD",
    3: "DDDDDDDDSDD",
    4: "SSDDDDDDSSD",
    5: "SSSSDDDDSSD",
    6: "SSSSSSDDSSS",
    7: "SSSSSSSSSSS",
}

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 50) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=7),
    max_leaves=7,
)


def refusal(game_type: str, body: dict[str, object], **options: tuple[str, ...]) -> Invalid:
    with pytest.raises(Invalid) as caught:
        results.parse(game_type, body, **options)
    return caught.value


def accepts(game_type: str, body: dict[str, object]) -> bool:
    try:
        results.parse(game_type, body)
    except Invalid as error:
        assert error.code == "invalid_result"  # noqa: PT017 - the refusal is what is looked at
        return False
    return True


def deal(shoe: list[str]) -> tuple[list[str], list[str]]:
    """Deal a coup from the top, as a croupier does it."""
    player, banker, rest = [shoe[0], shoe[2]], [shoe[1], shoe[3]], shoe[4:]
    p, b = (sum(POINTS[card[1:]] for card in hand) % 10 for hand in (player, banker))
    if p < 8 and b < 8:
        column = 10
        if p < 6:
            player.append(rest.pop(0))
            column = POINTS[player[2][1:]]
        if TABLEAU[b][column] == "D":
            banker.append(rest.pop(0))
    return player, banker


def body_of(player: list[str], banker: list[str]) -> dict[str, object]:
    p, b = [*player, ""][:3], [*banker, ""][:3]
    return {"baccarat": [card for pair in zip(p, b, strict=True) for card in pair]}


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("speed_roulette", "speed_roulette"),
        ("vip_roulette", "vip_roulette"),
        ("vip-roulette", "vip_roulette"),
        ("auto-roulette", "speed_roulette"),
        ("roulette", "speed_roulette"),
        ("sicbo", "sicbo"),
        ("sic-bo", "sicbo"),
        ("auto-sic-bo", "sicbo"),
        ("sicBo", "sicbo"),
        ("baccarat", "baccarat"),
        ("blackjack", None),
        ("", None),
    ],
)
def test_a_game_type_has_one_canonical_name(text: str, canonical: str | None) -> None:
    assert results.normalize_type(text) == canonical


@pytest.mark.parametrize("kind", ["speed_roulette", "vip_roulette", "roulette"])
@pytest.mark.parametrize("pocket", range(37))
def test_every_pocket_is_taken_as_number_or_string_and_sent_as_string(
    kind: str, pocket: int
) -> None:
    for form in (pocket, str(pocket)):
        result = results.parse(kind, {"roulette": form})
        assert result == Result("roulette", str(pocket))
        assert result.wire() == {"roulette": str(pocket)}


@pytest.mark.parametrize(
    "value",
    [
        37,
        -1,
        "37",
        "00",
        "-1",
        "01",
        "017",
        " 7",
        "7 ",
        "+7",
        "1.0",
        1.0,
        True,
        False,
        "",
        "٣",
        "x",
        [7],
        {"value": 7},
        10**40,
        "7\n",
    ],
)
def test_what_is_no_pocket_is_refused_by_name(value: object) -> None:
    error = refusal("vip_roulette", {"roulette": value})
    assert (error.code, error.field) == ("invalid_result", "roulette")
    assert error.detail.endswith(".")


@given(anything | st.text(string.digits, max_size=3))
def test_roulette_takes_exactly_the_pockets_of_a_wheel(value: object) -> None:
    wheel = list(range(37))
    on_it = (type(value) is int and value in wheel) or value in [str(each) for each in wheel]
    assert accepts("roulette", {"roulette": value}) == on_it


@given(st.lists(st.integers(-1, 8) | st.booleans() | st.sampled_from(["1", 1.0]), max_size=5))
def test_sicbo_takes_exactly_three_dice(value: list[object]) -> None:
    three_dice = len(value) == 3 and all(type(die) is int and 1 <= die <= 6 for die in value)
    assert accepts("sicbo", {"sicBo": value}) == three_dice


@given(anything)
def test_sicbo_never_breaks_on_nonsense(value: object) -> None:
    accepts("sicbo", {"sicBo": value})


@pytest.mark.parametrize("dice", set(permutations([1, 4, 6])))
def test_the_order_of_dice_is_kept(dice: tuple[int, ...]) -> None:
    result = results.parse("sicbo", {"sicBo": list(dice)})
    assert result.wire() == {"sicBo": list(dice)}


@pytest.mark.parametrize("value", ["123", [1, 2], [1, 2, 3, 4], [0, 2, 3], [1, 2, 7], ["1", 2, 3]])
def test_what_are_no_three_dice_is_refused_by_name(value: object) -> None:
    assert refusal("sicbo", {"sicBo": value}).field == "sicBo"


@pytest.mark.parametrize("banker_two", range(10))
@pytest.mark.parametrize("player_two", range(10))
def test_the_drawing_rules_are_those_of_the_tableau(player_two: int, banker_two: int) -> None:
    natural = player_two >= 8 or banker_two >= 8
    draws = player_two <= 5 and not natural
    assert baccarat.player_draws(player_two, banker_two) == draws
    for third in range(10) if draws else [None]:
        column = 10 if third is None else third
        expected = not natural and TABLEAU[banker_two][column] == "D"
        assert baccarat.banker_draws(player_two, banker_two, third) == expected


@given(st.permutations(CARDS))
def test_every_coup_a_croupier_deals_is_taken(shoe: list[str]) -> None:
    body = body_of(*deal(shoe))
    assert results.parse("baccarat", body).wire() == body


@given(st.permutations(CARDS), st.booleans(), st.booleans())
def test_only_the_coup_a_croupier_would_deal_is_taken(
    shoe: list[str], player_third: bool, banker_third: bool
) -> None:
    player, banker, rest = [shoe[0], shoe[2]], [shoe[1], shoe[3]], shoe[4:]
    if player_third:
        player.append(rest.pop(0))
    if banker_third:
        banker.append(rest.pop(0))
    assert accepts("baccarat", body_of(player, banker)) == ((player, banker) == deal(shoe))


@given(st.permutations(CARDS))
def test_rank_first_cards_are_turned_round(shoe: list[str]) -> None:
    body = body_of(*deal(shoe))
    cards = body["baccarat"]
    assert isinstance(cards, list)
    turned = [card[1:] + card[:1] for card in cards]
    assert results.parse("baccarat", {"baccarat": turned}).wire() == body


@given(st.permutations(CARDS), st.permutations(["P1", "B1", "P2", "B2", "P3", "B3"]))
def test_the_slot_order_is_a_setting_of_the_table(shoe: list[str], slots: list[str]) -> None:
    player, banker = ([*hand, ""][:3] for hand in deal(shoe))
    at = {side + str(n + 1): hand[n] for side, hand in zip("PB", (player, banker), strict=True)
          for n in range(3)}  # fmt: skip
    cards = [at[slot] for slot in slots]
    assert results.parse("baccarat", {"baccarat": cards}, slots=tuple(slots)).value == tuple(cards)


@given(st.permutations(CARDS), st.integers(0, 3), st.integers(0, 3))
def test_no_card_stands_twice(shoe: list[str], one: int, other: int) -> None:
    cards = [*shoe[:4], "", ""]
    cards[one] = cards[other]
    if one != other:
        assert "twice" in refusal("baccarat", {"baccarat": cards}).detail


@given(anything)
def test_baccarat_never_breaks_on_nonsense(value: object) -> None:
    assert not accepts("baccarat", {"baccarat": value})


@pytest.mark.parametrize(
    ("cards", "says"),
    [
        (["D2", "S10", "HK", "C3", ""], "exactly six"),
        ("D2S10HKC3", "exactly six"),
        (["D2", "S10", "", "C3", "H2", ""], "P2 is missing"),
        (["D1", "S10", "HK", "C3", "", ""], "P1 is no card"),
        (["d2", "S10", "HK", "C3", "", ""], "P1 is no card"),
        (["D2", "S11", "HK", "C3", "", ""], "B1 is no card"),
        (["D2", "S10", "T5", "C3", "", ""], "P2 is no card"),
        (["D2", "S10", "HK", 3, "", ""], "B2 is no card"),
        (["D2", "S10", "HK", "C3", None, ""], "P3 is no card"),
        (["D2", "S10", "HK", "C3", " ", ""], "P3 is no card"),
        (["D2", "S10", "HK", "2D", "", ""], "D2 is there twice"),
        (["D9", "S2", "HK", "C3", "H2", ""], "player has a natural 9"),
        (["D2", "S9", "H3", "CK", "H2", ""], "banker has a natural 9"),
        (["D2", "S2", "H3", "C5", "", ""], "player has 5 and must draw"),
        (["D2", "S2", "H4", "C5", "H3", ""], "player has 6 and stands"),
        (["D2", "S2", "H4", "C3", "", ""], "banker has 5 and the player stood: it must draw"),
        (["D2", "S3", "H3", "CK", "H8", "C5"], "third card counts 8: it stands"),
    ],
)
def test_a_refused_coup_says_what_is_wrong(cards: object, says: str) -> None:
    error = refusal("baccarat", {"baccarat": cards})
    assert (error.code, error.field) == ("invalid_result", "baccarat")
    assert says in error.detail


def test_a_result_for_another_game_names_both_games() -> None:
    error = refusal("sicbo", {"roulette": "17"})
    assert error.field == "roulette"
    assert "'roulette'" in error.detail
    assert "'sicBo'" in error.detail


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "roulette"),
        ({"roulette": None}, "roulette"),
        ({"Roulette": "17"}, "roulette"),
        ({"roulette": "17", "sicBo": [1, 2, 3]}, "sicBo"),
        ({"baccarat": [], "sicBo": [1, 2, 3]}, "sicBo"),
    ],
)
def test_exactly_one_game_is_given(body: dict[str, object], field: str) -> None:
    assert refusal("speed_roulette", body).field == field


def test_an_unset_field_of_another_game_does_not_count() -> None:
    body: dict[str, object] = {"roulette": "0", "sicBo": None, "wait_ms": 10}
    assert results.parse("roulette", body).value == "0"


def test_an_unknown_game_type_is_refused() -> None:
    assert refusal("blackjack", {"roulette": "1"}).code == "unknown_game_type"


def test_slots_that_do_not_name_each_card_once_are_refused() -> None:
    body: dict[str, object] = {"baccarat": [""] * 6}
    assert refusal("baccarat", body, slots=("P1", "P1")).code == "invalid_slots"
