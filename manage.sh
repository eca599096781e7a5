#!/usr/bin/env bash
# The one door: sets up what a verb needs, then calls `python -m native VERB` or a tool.
# Runs on bash 3.2 and later, from any folder, also where the path has a space in it.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
PYTHON=$ROOT/.venv/bin/python
STAMP=$ROOT/.venv/.pitboss-stamp
VERBS="up down restart status logs scale autoscale upgrade config keys env demo test check bench stress chaos verify backup restore psql tls doctor lock help"
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*" >&2; }
refuse() { # CODE SENTENCE
  say "$2"
  exit "$1"
}

# shellcheck source=native/needs.sh
. "$ROOT/native/needs.sh"
# shellcheck source=native/lock.sh
. "$ROOT/native/lock.sh"

usage() {
  cat <<'TEXT'
Usage: ./manage.sh VERB [options]      (each verb has --help)

  demo       set everything up, start the fleet, play rounds live on five environments
  up         start the fleet and wait until all is ready
  down       stop the fleet; its data stays
  restart    down, then up
  status     show each process: pid, port, state, uptime, restarts
  logs       show the logs, or follow them
  scale      change how many replicas a service has, without losing a request
  autoscale  follow the load, between the bounds of each environment's configuration
  config     get, put, import, compare, roll back the environments' configuration
  keys       make, list and revoke the keys that callers show
  env        add an environment's pool to the running fleet, or drain it and take it out
  upgrade    put the checkout's code into the running fleet, one replica after the other
  backup     write the whole database into one file, while the fleet goes on
  restore    put a backup in the place of what the fleet has
  psql       open psql on the fleet's database, as its owner
  verify     check the ledger's invariants, and name what breaks them
  test       run the tests, or one tier of them
  stress     have many consoles play on the fleet, then prove that nothing was lost or doubled
  chaos      hurt a fleet of its own by a seeded plan while consoles play, then prove the same
  check      format, lint, types, arrows, shell, nginx, then the tests
  bench      measure every bar on a fleet of its own, beside its peers, and write docs/benchmarks.md
  tls        make a certificate for the edge, with an authority of its own
  doctor     say what is missing on this machine, and what installs it
  lock       remake requirements.lock
  help       this text

Exit codes: 0 done, 1 failed, 2 wrong use or setting, 3 the fleet is not running,
4 something needed is missing, 5 a port is taken, 130 interrupted.
Settings come from the environment first, then .env; .env.example lists them.
TEXT
}

help_for() {
  case $1 in
    up) say "Usage: ./manage.sh up [--native|--docker]
Starts what is not running yet and returns when all is ready: with Docker Compose where an engine answers, else as local
processes; a fleet that runs stays as it is, and PITBOSS_MODE=native or docker settles it for good. PITBOSS_PORT (8080) is the edge's port,
PITBOSS_ENVIRONMENTS (CIT,UAT,QAT,STG,PRD) the pools, PITBOSS_REPLICAS and PITBOSS_GATEWAYS (1) their size." ;;
    down) say "Usage: ./manage.sh down
Stops the fleet, the edge first and the database last. Data stays; nothing running is fine too." ;;
    restart) say "Usage: ./manage.sh restart
Stops the fleet and starts it again with the settings of now." ;;
    status) say "Usage: ./manage.sh status [--json]
Shows each process as it is at this moment. --json is for programs. Ends with 3 when nothing runs." ;;
    logs) say "Usage: ./manage.sh logs [SERVICE|INSTANCE] [-f] [-n LINES]
Shows the last lines (50) of all logs or of one service, such as gateway or table-service-prd-1; -f follows." ;;
    scale) say "Usage: ./manage.sh scale SERVICE=N...
table-service=5 gives each environment's pool 5 replicas, table-service-prd=3 one pool, gateway=2 the gateway.
New replicas serve when they are ready; those that leave finish first. The counts are kept for the next up." ;;
    upgrade) say "Usage: ./manage.sh upgrade
Builds (Docker) or installs (native) what is in the checkout, applies migrations, and replaces the replicas one by one
while the fleet serves. nginx, Postgres and Redis stay as they are, but for an nginx whose image changed." ;;
    autoscale) say "Usage: ./manage.sh autoscale [ENVIRONMENT...] [--once] [--interval S]
  [--cpu-high %] [--cpu-low %] [--in-flight-high N] [--in-flight-low N] [--up-after S] [--down-after S]
Scales each pool between min_instances and max_instances of its environment, by CPU (70, 30) and calls in flight (20, 5)
per replica: up after 10 s of much, down by one after 120 s of little. Runs until Ctrl-C; --once takes one look, and acts." ;;
    config) say "Usage: ./manage.sh config list|get|put|import|export|history|diff|rollback|status ...
  get ENV [--version N]            put FILE [--if-version N] [--reason TEXT] [--dry-run]
  import FILE [--table TABLE] [--type GAME] [--rename OLD:OURS] [--dry-run]      export [--table TABLE]
  history ENV      diff ENV [--from N] [--to N]      rollback ENV N --reason TEXT [--dry-run]
get prints what put takes (- for standard input). import takes the old table-config-*-v2.json files, --table says which
table they are of, and exports. status shows which replica runs which version, and ends with 1 if one lags." ;;
    keys) say "Usage: ./manage.sh keys list
  ./manage.sh keys add NAME --role device|viewer|dealer|operator|admin [--tables A,B] [--environments PRD,CIT]
      [--expires-at TIME]
  ./manage.sh keys revoke ID|NAME
add prints the key on standard output, this once; only its hash is kept. Without --tables and --environments it is
for all of them. revoke ends it on every gateway before it answers, and the browsers that logged in with it." ;;
    env) say "Usage: ./manage.sh env add NAME | env remove NAME [--timeout S] [--now] [--reason TEXT]
add starts a pool and lets nginx know it; rounds start there once its configuration has tables, whichever comes first.
Its secrets: files, or variables that were set at the fleet's \`up\`. remove takes its tables out of its configuration in a
new version, waits up to 120 s (--timeout) for its open rounds and what it owes, then takes its pool away; --now does not
wait, and what is owed waits in the ledger. Versions are kept: env add and config rollback bring it back. Both are
remembered by the next up, whatever PITBOSS_ENVIRONMENTS says." ;;
    demo) say "Usage: ./manage.sh demo [--native|--docker] [--json]
Starts the fleet against the simulator, plays full rounds live, prints the matrix, leaves it running." ;;
    test) say "Usage: ./manage.sh test [TIER[/PACKAGE]] [pytest options]
Runs all tests, or a folder under tests/: test unit, test integration/native -k scale. Last line is pytest's." ;;
    check) say "Usage: ./manage.sh check [pytest options]
Runs ruff format, ruff, mypy, import-linter, shellcheck, nginx -t on the rendered configuration, then the tests." ;;
    backup) say "Usage: ./manage.sh backup [FILE] [--force]
Takes one snapshot of the running fleet's database: all tables, the configuration, the schema's version." ;;
    restore) say "Usage: ./manage.sh restore FILE [--yes]
Replaces all that the running fleet has by the backup, in one transaction, and renews its replicas one by one." ;;
    psql) say "Usage: ./manage.sh psql [psql options]
Opens psql on the running fleet's database as its owner: psql -c 'SELECT 1'." ;;
    stress) say "Usage: ./manage.sh stress [rounds] [--consoles N] [--seconds N] [--seed S] [--json]
100 consoles play rounds for 30 s, each with a table and a key of its own, which go when it ends. Starts the fleet as demo
does where none runs, and plays against the simulator alone. Prints throughput, percentiles, errors by kind, and the proof
by the ledger and the simulator's account; ends with 1 when something was lost or doubled.
  ./manage.sh stress logs [--devices N] [--rate LINES_PER_SECOND] [--batch N] [--seconds N] [--json]
100 devices log 10 lines a second each, then each line that was taken is looked for in Postgres: once, no more, no less." ;;
    chaos) say "Usage: ./manage.sh chaos [--minutes N] [--seed S] [--consoles N] [--plan] [--report FILE] [--json]
Starts a fleet of its own, beside any that runs, has 20 consoles play, and kills, stops, restarts, cuts and slows down what
the plan says: 20 faults a minute, 3 minutes. The same seed (7) and minutes give the same plan; --plan only prints it. Ends
with all faults lifted, the times of recovery, and the proof; with 1 when something was lost or doubled." ;;
    bench) say "Usage: ./manage.sh bench [--quick] [--json] [NAME...] | --soak MINUTES
Measures each bar on a fleet of its own, with its peers (threads, aiohttp, httpx, Temporal) beside it, and prints them, met or
missed. Without a NAME and --quick it writes docs/benchmarks.md and its charts. --quick takes minutes, all of it most of an hour.
--soak has one replica carry commands all that time, and looks whether its memory, files and connections grow." ;;
    verify) say "Usage: ./manage.sh verify [--round ID] [--since TIME] [--simulator URL] [--json]
Checks the histories' hash chains and the ledger's invariants on the running fleet's database, one line each,
with the rows that break it. --simulator compares with what took effect there. Ends with 1 when one is broken." ;;
    tls) say "Usage: ./manage.sh tls [NAME...]
Makes a certificate for localhost, this machine's name and the names and addresses given, and its key; prints the
two settings that use it and the file callers trust it by. Nothing is overwritten but an earlier one of this verb." ;;
    doctor) say "Usage: ./manage.sh doctor
Lists each need with ok, or the exact command that installs it." ;;
    lock) say "Usage: ./manage.sh lock [uv options, such as --upgrade]
Remakes requirements.lock from every pyproject.toml: names, versions and hashes." ;;
    *) usage ;;
  esac
}

run_native() {
  unset PITBOSS_PYTHON
  exec "$PYTHON" -m native "$@"
}

run_client() { # VERB ARGUMENTS, files as seen from where the caller stands
  local given=() one
  for one in "$@"; do
    case "$2:$one" in
      put:[!/-]* | import:[!/-]*) [ ! -f "$CALLER/$one" ] || one=$CALLER/$one ;;
    esac
    given+=("$one")
  done
  unset PITBOSS_PYTHON
  exec "$PYTHON" -m pitboss_cli "${given[@]}"
}

prepare_start() { # OPTIONS
  local mode
  prepare
  ! has_nginx || wants_bus || return 0 # either way of running has all it needs
  mode=$("$PYTHON" -m native mode "$@")
  [ "$mode" = docker ] || { need_nginx && need_bus; }
}

start_fleet() { # VERB OPTIONS
  prepare_start "${@:2}"
  run_native "$@"
}

run_demo() {
  local way=() option
  for option in "$@"; do
    case $option in
      --native | --docker) way+=("$option") ;;
    esac
  done
  prepare_start ${way[@]+"${way[@]}"}
  unset PITBOSS_PYTHON
  exec "$PYTHON" -m native.demo "$@"
}

run_stress() {
  prepare_start
  unset PITBOSS_PYTHON
  exec "$PYTHON" tests/stress_test.py "$@"
}

run_chaos() {
  prepare
  need_nginx
  unset PITBOSS_PYTHON
  PYTHONPATH=tests exec "$PYTHON" -m chaos "$@"
}

run_bench() {
  prepare
  need_nginx
  need_temporal
  unset PITBOSS_PYTHON
  PYTHONPATH=tests exec "$PYTHON" -m bench "$@"
}

list_tiers() { (cd tests && printf '%s ' */ | tr -d /); }

run_tests() {
  local target=tests
  case ${1:-} in
    '' | -*) ;;
    *)
      target=tests/${1%/}
      [ -d "$target" ] || refuse 2 "There is no tier ${1%/}; there are: $(list_tiers)"
      shift
      ;;
  esac
  prepare
  case $target in
    tests/unit* | tests/compose*) ;;
    *) need_nginx ;;
  esac
  case $target in
    tests | tests/integration | tests/integration/[fg]* | tests/integration/native*) need_rabbitmq ;;
  esac
  case $target in
    tests | tests/compose*) need_engine ;;
  esac
  unset PITBOSS_PYTHON
  exec "$PYTHON" -m pytest "$target" "$@"
}

run_check() {
  prepare
  need_nginx
  need_shellcheck
  say "ruff format" && "$PYTHON" -m ruff format --check --quiet .
  say "ruff check" && "$PYTHON" -m ruff check --quiet .
  say "mypy" && "$PYTHON" -m mypy ./*/src tests examples
  say "lint-imports" && .venv/bin/lint-imports
  say "shellcheck" && shellcheck -x manage.sh .ci/run ./*/container/*-* tests/compose/standins/*.sh
  [ ! -x .venv/bin/hadolint ] || { say "hadolint" && .venv/bin/hadolint ./*/Dockerfile; }
  say "nginx -t" && "$PYTHON" -m native check-nginx
  say "tests" && run_tests "$@"
}

main() {
  local verb=${1:-help} option
  [ $# -eq 0 ] || shift
  case $verb in
    -h | --help) verb=help ;;
  esac
  case " $VERBS " in
    *" $verb "*) ;;
    *) refuse 2 "There is no verb $verb; the verbs are: $VERBS." ;;
  esac
  for option in "$@"; do
    case $option in
      --) break ;;
      -h | --help)
        help_for "$verb" 2>&1
        return
        ;;
    esac
  done
  CALLER=$PWD
  cd "$ROOT"
  trap 'say ""; refuse 130 "Interrupted; the same command goes on where this one stopped."' INT
  case $verb in
    help) help_for "${1:-help}" 2>&1 ;;
    up | restart) start_fleet "$verb" "$@" ;;
    demo) run_demo "$@" ;;
    config | keys)
      [ $# -gt 0 ] || refuse 2 "Say what to do; see: ./manage.sh $verb --help"
      prepare
      run_client "$verb" "$@"
      ;;
    test) run_tests "$@" ;;
    stress) run_stress "$@" ;;
    bench) run_bench "$@" ;;
    chaos) run_chaos "$@" ;;
    check) run_check "$@" ;;
    lock) run_lock "$@" ;;
    *)
      prepare
      run_native "$verb" "$@"
      ;;
  esac
}

main "$@"
