import pytest

from metrics_service.services.sharing import deal


@pytest.mark.parametrize("instances", [["a"], ["a", "b"], ["a", "b", "c"], list("abcdef")])
def test_each_shard_falls_to_one_and_nobody_has_many_more(instances: list[str]) -> None:
    shares = [deal(4, instances, me) for me in instances]
    assert sorted(shard for share in shares for shard in share) == [0, 1, 2, 3]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
