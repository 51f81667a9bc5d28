#!/bin/sh
# Puts a copy that backup.sh made into places that hold nothing yet.
set -eu

usage() {
    cat <<'END'
usage: deploy/restore.sh BACKUP

BACKUP is a folder that deploy/backup.sh made. Its checksums are compared first; nothing that is there
is written over.

  DATABASE_URL             a Postgres database without keys (no schema vault)
  TICKETING_LOG_DIRECTORY  where the embedded log is to be; must not be there. Or, for an export:
  KURRENTDB_URL            an empty log, running
  TICKETING                the program, if it is not in PATH
END
}

fail() {
    echo "error: $*" >&2
    exit 1
}

case ${1:-} in
'' | -h | --help)
    usage
    [ -n "${1:-}" ] || exit 2
    exit 0
    ;;
esac
: "${DATABASE_URL:?says where Postgres is; see --help}"
# The program takes this setting in an address, Postgres' own tools refuse it.
DATABASE_URL=$(printf '%s' "$DATABASE_URL" |
    sed 's/\([?&]\)statement-cache-capacity=[^&]*&\{0,1\}/\1/; s/[?&]$//')
ticketing=${TICKETING:-ticketing}
[ -f "$1/sha256sums" ] || fail "$1 is no backup: it has no sha256sums"
(cd "$1" && sha256sum --check --quiet sha256sums) || fail "$1 is damaged; take another backup"

ask() { psql --dbname "$DATABASE_URL" --no-psqlrc --quiet --tuples-only --no-align --command "$1"; }
there=$(ask "SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'vault'")
[ "$there" = 0 ] || fail "this database holds keys already (schema vault); name one that is empty"

if [ -f "$1/events.log" ]; then
    : "${TICKETING_LOG_DIRECTORY:?says where the log is to be; see --help}"
    "$ticketing" log restore "$1/events.log" --directory "$TICKETING_LOG_DIRECTORY"
    "$ticketing" log verify "$TICKETING_LOG_DIRECTORY"
else
    : "${KURRENTDB_URL:?says where the log is; see --help}"
    "$ticketing" log import "$1/events.jsonl"
fi
pg_restore --dbname "$DATABASE_URL" --single-transaction --exit-on-error --no-owner --no-privileges \
    "$1/keys.dump"
echo "restored: $(ask 'SELECT count(*) FROM vault.person_key') keys of persons"
