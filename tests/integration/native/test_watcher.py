"""The watcher of the nginx container, run as it is, with stand-ins for the network around it."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from native import nginx

FOLLOW = Path(__file__).resolve().parents[3] / "nginx/container/nginx-follow"
GETENT = """#!/bin/sh
grep "^$2 " "$HOSTS" | while read -r _ address; do echo "$address STREAM"; done
"""
CURL = """#!/bin/sh
sed -n 's|^url = "http://\\([0-9.]*\\):.*|\\1|p' "$STATE/probes" | while read -r address; do
  printf 'http://%s:8000/readyz %s\\n' "$address" "$(sed -n "s/^$address //p" "$READY")"
done
"""


class Watcher:
    """One look after the other, with what names resolve to and what answers set by hand."""

    def __init__(self, folder: Path) -> None:
        self.run = folder
        self.hosts, self.ready = folder / "hosts", folder / "ready"
        programs = folder / "bin"
        programs.mkdir()
        (folder / "conf").mkdir()
        for name, script in (("getent", GETENT), ("curl", CURL)):
            (programs / name).write_text(script)
            (programs / name).chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "NGINX_RUN_DIR": str(folder),
            "STATE": str(folder / "pools"),
            "HOSTS": str(self.hosts),
            "READY": str(self.ready),
            "PITBOSS_ENVIRONMENTS": "CIT,PRD",
        }

    def look(self, hosts: dict[str, list[str]], answers: dict[str, str]) -> dict[str, set[str]]:
        lines = [f"{name} {address}\n" for name, found in hosts.items() for address in found]
        self.hosts.write_text("".join(lines))
        self.ready.write_text("".join(f"{address} {said}\n" for address, said in answers.items()))
        subprocess.run(["/bin/sh", FOLLOW, "--once"], env=self.environment, check=True)
        serving: dict[str, set[str]] = {}
        for line in (self.run / "pools/serving").read_text().splitlines():
            pool, address, _ = line.split()
            serving.setdefault(pool, set()).add(address)
        return serving

    @property
    def written(self) -> str:
        return (self.run / "conf/upstreams.conf").read_text()


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    return Watcher(tmp_path)


READY, UNREADY, SLOW, GONE = "200 0.001", "503 0.001", "000 0.001", "000 0.000"
PRD = "table-service-prd"


def test_it_writes_what_native_mode_writes(watcher: Watcher) -> None:
    hosts = {"gateway": ["127.0.0.1"], PRD: ["127.0.0.1"]}
    watcher.look(hosts, {"127.0.0.1": READY})
    pools = {"gateway": (8000,), "table-service-cit": (), PRD: (8000,)}
    assert watcher.written == nginx.render_pools(pools)


def test_the_order_of_answers_changes_nothing(watcher: Watcher) -> None:
    addresses = ["10.0.0.2", "10.0.0.1", "10.0.0.3"]
    ready = dict.fromkeys(addresses, READY)
    watcher.look({PRD: addresses}, ready)
    before = watcher.written
    watcher.look({PRD: addresses[::-1]}, ready)
    assert watcher.written == before


def test_a_replica_comes_in_once_it_is_ready(watcher: Watcher) -> None:
    hosts = {PRD: ["10.0.0.1", "10.0.0.2"]}
    assert watcher.look(hosts, {"10.0.0.1": READY, "10.0.0.2": UNREADY}) == {PRD: {"10.0.0.1"}}
    both = {PRD: {"10.0.0.1", "10.0.0.2"}}
    assert watcher.look(hosts, {"10.0.0.1": READY, "10.0.0.2": READY}) == both


@pytest.mark.parametrize("answer", [UNREADY, SLOW])
def test_one_that_is_unready_or_slow_stays(watcher: Watcher, answer: str) -> None:
    hosts = {PRD: ["10.0.0.1", "10.0.0.2"]}
    both = watcher.look(hosts, {"10.0.0.1": READY, "10.0.0.2": READY})
    for _ in range(3):
        assert watcher.look(hosts, {"10.0.0.1": READY, "10.0.0.2": answer}) == both


def test_one_that_takes_no_connection_leaves_while_another_can_serve(watcher: Watcher) -> None:
    hosts = {PRD: ["10.0.0.1", "10.0.0.2"]}
    both = watcher.look(hosts, {"10.0.0.1": READY, "10.0.0.2": READY})
    gone = {"10.0.0.1": READY, "10.0.0.2": GONE}
    assert watcher.look(hosts, gone) == both
    assert watcher.look(hosts, gone) == {PRD: {"10.0.0.1"}}
    alone = {"10.0.0.1": GONE, "10.0.0.2": GONE}
    for _ in range(3):
        assert watcher.look(hosts, alone) == {PRD: {"10.0.0.1"}}


def test_one_whose_name_is_gone_leaves_at_once(watcher: Watcher) -> None:
    ready = {"10.0.0.1": READY, "10.0.0.2": READY}
    watcher.look({PRD: ["10.0.0.1", "10.0.0.2"]}, ready)
    assert watcher.look({PRD: ["10.0.0.2"]}, ready) == {PRD: {"10.0.0.2"}}


def test_a_resolver_that_stumbles_empties_no_pool(watcher: Watcher) -> None:
    ready = {"10.0.0.1": READY}
    known = watcher.look({PRD: ["10.0.0.1"]}, ready)
    assert watcher.look({}, ready) == known
    assert watcher.look({}, ready) == known
    assert watcher.look({}, ready) == {}


def test_one_that_shall_leave_is_out_and_its_address_is_free_again_later(
    watcher: Watcher,
) -> None:
    hosts = {PRD: ["10.0.0.1", "10.0.0.2"]}
    ready = {"10.0.0.1": READY, "10.0.0.2": READY}
    watcher.look(hosts, ready)
    (watcher.run / "pools/leaving").write_text(f"10.0.0.2 {int(time.time())}\n")
    assert watcher.look(hosts, ready) == {PRD: {"10.0.0.1"}}
    watcher.look({PRD: ["10.0.0.1"]}, ready)
    assert watcher.look(hosts, ready) == {PRD: {"10.0.0.1", "10.0.0.2"}}


def test_a_pool_added_since_is_known(watcher: Watcher) -> None:
    watcher.look({}, {})
    (watcher.run / "pools/environments").write_text("CIT,PRD,GLC")
    found = watcher.look({"table-service-glc": ["10.0.0.9"]}, {"10.0.0.9": READY})
    assert found == {"table-service-glc": {"10.0.0.9"}}
    assert '"~^/glc/" table-service-glc;' in watcher.written
