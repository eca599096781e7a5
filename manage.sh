#!/usr/bin/env bash
# The one door: sets up what a verb needs, then calls `python -m native VERB` or a tool.
# Runs on bash 3.2 and later, from any folder, also where the path has a space in it.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
PYTHON=$ROOT/.venv/bin/python
STAMP=$ROOT/.venv/.pitboss-stamp
VERBS="up down restart status logs scale demo test check verify psql doctor lock help"
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*" >&2; }
refuse() { # CODE SENTENCE
  say "$2"
  exit "$1"
}

usage() {
  cat <<'TEXT'
Usage: ./manage.sh VERB [options]      (each verb has --help)

  demo      set everything up, start the fleet, play rounds live on five environments
  up        start the fleet and wait until all is ready
  down      stop the fleet; its data stays
  restart   down, then up
  status    show each process: pid, port, state, uptime, restarts
  logs      show the logs, or follow them
  scale     change how many replicas a service has, without losing a request
  psql      open psql on the fleet's database, as its owner
  verify    check the ledger's invariants, and name what breaks them
  test      run the tests, or one tier of them
  check     format, lint, types, arrows, shell, nginx, then the tests
  doctor    say what is missing on this machine, and what installs it
  lock      remake requirements.lock
  help      this text

Exit codes: 0 done, 1 failed, 2 wrong use or setting, 3 the fleet is not running,
4 something needed is missing, 5 a port is taken, 130 interrupted.
Settings come from the environment first, then .env; .env.example lists them.
TEXT
}

help_for() {
  case $1 in
    up) say "Usage: ./manage.sh up [--native|--docker]
Starts what is not running yet and returns when all is ready. PITBOSS_PORT (8080) is the edge's port,
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
    demo) say "Usage: ./manage.sh demo [--json]
Starts the fleet against the simulator, plays full rounds live, prints the matrix, leaves it running." ;;
    test) say "Usage: ./manage.sh test [TIER[/PACKAGE]] [pytest options]
Runs all tests, or a folder under tests/: test unit, test integration/native -k scale. Last line is pytest's." ;;
    check) say "Usage: ./manage.sh check [pytest options]
Runs ruff format, ruff, mypy, import-linter, shellcheck, nginx -t on the rendered configuration, then the tests." ;;
    psql) say "Usage: ./manage.sh psql [psql options]
Opens psql on the running fleet's database as its owner: psql -c 'SELECT 1'." ;;
    verify) say "Usage: ./manage.sh verify [--round ID] [--since TIME] [--simulator URL] [--json]
Checks the histories' hash chains and the ledger's invariants on the running fleet's database, one line each,
with the rows that break it. --simulator compares with what took effect there. Ends with 1 when one is broken." ;;
    doctor) say "Usage: ./manage.sh doctor
Lists each need with ok, or the exact command that installs it." ;;
    lock) say "Usage: ./manage.sh lock [uv options, such as --upgrade]
Remakes requirements.lock from every pyproject.toml: names, versions and hashes." ;;
    *) usage ;;
  esac
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  if [ -n "${PITBOSS_PYTHON:-}" ]; then
    is_new_enough "$PITBOSS_PYTHON" || refuse 4 \
      "PITBOSS_PYTHON=$PITBOSS_PYTHON is no Python 3.11 or later; set it to one, or unset it."
    printf '%s\n' "$PITBOSS_PYTHON"
    return
  fi
  for candidate in python3.13 python3.12 python3.11 python3; do
    if command -v "$candidate" >/dev/null 2>&1 && is_new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  refuse 4 "No Python 3.11 or later found; install one ($(install_command python3 python@3.13)) or set PITBOSS_PYTHON to it."
}

is_root() { [ "$(id -u)" -eq 0 ]; }

install_command() { # DEBIAN-PACKAGE BREW-PACKAGE
  if [ "$(uname -s)" = Darwin ]; then
    printf 'brew install %s' "$2"
  elif is_root; then
    printf 'apt-get install %s' "$1"
  else
    printf 'sudo apt-get install %s' "$1"
  fi
}

# As root on Debian it installs the package, and starts no daemon; else it names the command.
install_package() { # DEBIAN-PACKAGE BREW-PACKAGE WHAT-FOR
  local output policy=/usr/sbin/policy-rc.d placed=
  if ! is_root || ! command -v apt-get >/dev/null 2>&1; then
    refuse 4 "$3 is missing; install it with: $(install_command "$1" "$2")"
  fi
  say "Installing $1 ..."
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    placed=yes
  fi
  # shellcheck disable=SC2064  # the values of now are meant
  trap "[ -z '$placed' ] || rm -f '$policy'" EXIT
  if ! output=$({ apt-get update -q && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -q -y --no-install-recommends "$1"; } 2>&1 </dev/null); then
    say "$output"
    refuse 4 "$1 could not be installed; install it with: $(install_command "$1" "$2")"
  fi
  [ -z "$placed" ] || rm -f "$policy"
  trap - EXIT
}

need_nginx() {
  if PATH=$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin command -v nginx >/dev/null 2>&1; then
    return
  fi
  install_package nginx-light nginx nginx
  if command -v systemctl >/dev/null 2>&1; then
    systemctl disable nginx >/dev/null 2>&1 || true # ours is started by the fleet, on its own ports
  fi
}

need_shellcheck() {
  command -v shellcheck >/dev/null 2>&1 || install_package shellcheck shellcheck shellcheck
}

make_venv() {
  local python=$1
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    install_package "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv" \
      python@3.13 "Python's venv module"
  fi
  say "Making .venv with $("$python" --version) ..."
  "$python" -m venv --clear .venv
}

# The stamp changes with the lock, any pyproject.toml, or the folder's place.
read_stamp() { { printf '%s\n' "$ROOT" && cat requirements.lock pyproject.toml ./*/pyproject.toml; } | cksum; }

prepare() {
  local stamp python bootstrap quiet=--quiet members=() folder
  [ -z "${PITBOSS_PYTHON:-}" ] || find_python >/dev/null
  stamp=$(read_stamp)
  if [ -x "$PYTHON" ] && [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$stamp" ]; then
    return
  fi
  if ! { [ -x "$PYTHON" ] && is_new_enough "$PYTHON" && "$PYTHON" -m pip --version; } >/dev/null 2>&1; then
    python=$(find_python)
    make_venv "$python"
  fi
  [ ! -t 2 ] || quiet=
  if ! "$PYTHON" -m uv --version >/dev/null 2>&1; then
    say "Installing uv ..."
    bootstrap=.venv/uv.lock.txt
    awk '/^uv==/ { on = 1 } on { print } on && !/\\$/ { exit }' requirements.lock >"$bootstrap"
    "$PYTHON" -m pip install --quiet --require-hashes -r "$bootstrap"
  fi
  say "Installing packages as locked ..."
  "$PYTHON" -m uv pip install ${quiet:+"$quiet"} --python "$PYTHON" --require-hashes -r requirements.lock
  for folder in */pyproject.toml; do
    members+=(-e "./$(dirname "$folder")")
  done
  "$PYTHON" -m uv pip install --quiet --python "$PYTHON" --no-deps "${members[@]}"
  printf '%s\n' "$stamp" >"$STAMP"
}

run_native() {
  unset PITBOSS_PYTHON
  exec "$PYTHON" -m native "$@"
}

start_fleet() { # VERB OPTIONS
  case " $* " in
    *" --docker "*) refuse 1 "Docker mode is not available yet; start natively with: ./manage.sh up" ;;
  esac
  prepare
  need_nginx
  run_native "$@"
}

run_demo() {
  prepare
  need_nginx
  unset PITBOSS_PYTHON
  "$PYTHON" -m native up >&2 # --json keeps standard output to itself
  exec "$PYTHON" -m native.demo "$@"
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
    tests/unit*) ;;
    *) need_nginx ;;
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
  say "mypy" && "$PYTHON" -m mypy ./*/src tests
  say "lint-imports" && .venv/bin/lint-imports
  say "shellcheck" && shellcheck manage.sh .ci/run
  say "nginx -t" && "$PYTHON" -m native check-nginx
  say "tests" && run_tests "$@"
}

run_lock() {
  local left_out=() file
  prepare
  for file in */pyproject.toml; do
    left_out+=(--no-emit-package "$(sed -n 's/^name = "\(.*\)"$/\1/p' "$file" | head -n 1)")
  done
  "$PYTHON" -m uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links "${left_out[@]}" pyproject.toml --group dev \
    -o requirements.lock "$@"
  say "requirements.lock is made; the next verb installs it."
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
  cd "$ROOT"
  trap 'say ""; refuse 130 "Interrupted; the same command goes on where this one stopped."' INT
  case $verb in
    help) help_for "${1:-help}" 2>&1 ;;
    up | restart) start_fleet "$verb" "$@" ;;
    demo) run_demo "$@" ;;
    test) run_tests "$@" ;;
    check) run_check "$@" ;;
    lock) run_lock "$@" ;;
    *)
      prepare
      run_native "$verb" "$@"
      ;;
  esac
}

main "$@"
