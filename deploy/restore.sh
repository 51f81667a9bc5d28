#!/bin/sh
# Puts a copy that backup.sh made into places that hold nothing yet.

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

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=common.sh
. "$here/common.sh"
[ -f "$1/sha256sums" ] || fail "$1 is no backup: it has no sha256sums"
(cd "$1" && sha256sum --check --quiet sha256sums) || fail "$1 is damaged; take another backup"

there=$(ask "SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'vault'")
[ "$there" = 0 ] || fail "this database holds keys already (schema vault); name one that is empty"

if [ -f "$1/events.log" ]; then
    : "${TICKETING_LOG_DIRECTORY:?says where the log is to be; see --help}"
    ticketing log restore "$1/events.log" --directory "$TICKETING_LOG_DIRECTORY"
    ticketing log verify "$TICKETING_LOG_DIRECTORY"
else
    : "${KURRENTDB_URL:?says where the log is; see --help}"
    ticketing log import "$1/events.jsonl"
fi
pg_restore --dbname "$DATABASE_URL" --single-transaction --exit-on-error --no-owner --no-privileges \
    "$1/keys.dump"
echo "restored: $(ask 'SELECT count(*) FROM vault.person_key') keys of persons"
