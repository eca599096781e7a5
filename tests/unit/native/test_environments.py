"""Which environments have a pool after what was added and taken out."""

import pytest

from native import environments
from native.places import Memory
from native.refusals import BadUse


def test_what_is_added_or_taken_out_is_remembered() -> None:
    memory = Memory()
    environments.remember(memory, "GLC", there=True)
    environments.remember(memory, "CIT", there=False)
    assert environments.effective(["CIT", "PRD"], memory) == ["PRD", "GLC"]
    environments.remember(memory, "GLC", there=False)
    environments.remember(memory, "CIT", there=True)
    environments.remember(memory, "CIT", there=True)
    assert environments.effective(["CIT", "PRD"], memory) == ["CIT", "PRD"]
    assert (memory.environments, memory.removed) == (["CIT"], ["GLC"])


@pytest.mark.parametrize("text", ["", "A B", "1A", "G-1", "A" * 17, "ä"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(BadUse):
        environments.read_name(text)
    assert environments.read_name(" glc ") == "GLC"
