from native.docker.pools import waves


def test_pools_grow_evenly_and_by_few_at_once() -> None:
    have = {"cit": 1, "prd": 1, "uat": 3}
    steps = list(waves(have, {"cit": 4, "prd": 3, "uat": 4}, 4))
    assert steps == [{"cit": 3, "prd": 3}, {"cit": 4, "uat": 4}]


def test_all_at_once_where_the_machine_can_bear_it_and_nothing_where_all_is_there() -> None:
    assert list(waves({"prd": 1}, {"prd": 9}, 64)) == [{"prd": 9}]
    assert list(waves({"prd": 9}, {"prd": 9}, 64)) == []
