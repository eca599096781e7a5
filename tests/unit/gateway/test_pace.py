import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.pace import Pace, Window

QUICK = Window((10.0,) * 8, cpu=0.2, full=True)


def after(pace: Pace, *windows: Window) -> Pace:
    for window in windows:
        pace = pace.after(window)
    return pace


def test_it_begins_between_its_bounds() -> None:
    assert Pace.between(4, 64).whole == 16
    assert Pace.between(1, 1).whole == 1


def test_it_grows_by_one_while_all_goes_well() -> None:
    assert after(Pace.between(4, 64), QUICK, QUICK).whole == 18


def test_it_stops_at_the_ceiling_and_at_the_floor() -> None:
    slow = Window((1000.0,) * 8, cpu=0.2, full=True)
    assert after(Pace.between(4, 64), *[QUICK] * 100).whole == 64
    assert after(Pace.between(4, 64), QUICK, *[slow] * 20).whole == 4


def test_it_is_cut_when_answers_take_longer() -> None:
    pace = after(Pace.between(4, 64), QUICK)
    assert pace.after(Window((200.0,) * 8, cpu=0.2, full=True)).whole == 11


def test_it_is_cut_when_the_core_is_busy() -> None:
    pace = after(Pace.between(4, 64), QUICK)
    assert pace.after(Window((10.0,) * 8, cpu=0.95, full=True)).whole == 11


def test_it_does_not_grow_where_nobody_waits() -> None:
    idle = Window((10.0,) * 8, cpu=0.2, full=False)
    assert after(Pace.between(4, 64), *[idle] * 20).whole == 16


def test_a_table_that_hangs_is_no_load() -> None:
    one_hangs = Window((*(10.0,) * 15, 2000.0), cpu=0.2, full=True)
    assert after(Pace.between(4, 64), QUICK, one_hangs).whole == 18


def test_nothing_seen_changes_nothing() -> None:
    pace = Pace.between(4, 64)
    assert pace.after(Window((), cpu=1.0, full=True)) == pace


def test_what_became_slow_for_good_is_taken_for_usual_in_time() -> None:
    slower = Window((100.0,) * 8, cpu=0.2, full=True)
    pace = after(Pace.between(4, 64), QUICK, *[slower] * 100)
    assert pace.whole > 16


WINDOWS = st.lists(
    st.builds(
        Window,
        st.lists(st.floats(0, 1e6), max_size=9).map(tuple),
        cpu=st.floats(0, 4),
        full=st.booleans(),
    ),
    max_size=50,
)


@pytest.mark.parametrize(("floor", "ceiling"), [(1, 1), (1, 1000), (4, 64)])
@given(windows=WINDOWS)
def test_it_never_leaves_its_bounds(floor: int, ceiling: int, windows: list[Window]) -> None:
    pace = Pace.between(floor, ceiling)
    for window in windows:
        pace = pace.after(window)
        assert floor <= pace.whole <= ceiling
