#!/bin/bash
# What we use of the official entrypoint: a first start makes the data folder, sets the superuser's
# password from its file, and runs /docker-entrypoint-initdb.d on a server that listens nowhere else.
set -euo pipefail
if [ "${1:-}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  # shellcheck disable=SC2086  # the official one splits them too
  initdb --username=postgres --pwfile=<(cat "$POSTGRES_PASSWORD_FILE") ${POSTGRES_INITDB_ARGS:-} -D "$PGDATA"
  printf '\nhost all all all %s\n' scram-sha-256 >>"$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) "$file" ;;
      *.sql) psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --username postgres --dbname postgres -f "$file" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@"
