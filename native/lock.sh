# Remakes the locks; sourced by manage.sh from the project's root.
# shellcheck shell=bash disable=SC2153  # PYTHON, prepare and say are manage.sh's and needs.sh's

compile_lock() { # OUTPUT ARGUMENTS
  "$PYTHON" -m uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links -o "$1" "${@:2}"
}

run_lock() {
  local left_out=() file
  prepare
  for file in */pyproject.toml; do
    left_out+=(--no-emit-package "$(sed -n 's/^name = "\(.*\)"$/\1/p' "$file" | head -n 1)")
  done
  compile_lock requirements.lock "${left_out[@]}" pyproject.toml --group dev "$@"
  compile_lock tests/bench/requirements.lock --group bench --constraint requirements.lock "$@"
  say "requirements.lock is made; the next verb installs it."
}
