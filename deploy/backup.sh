#!/bin/sh
# Copies what cannot be made again: the events, and the keys that personal data in them is sealed
# under. Everything may run meanwhile. Read models and JetStream are filled from the log.

usage() {
    cat <<'END'
usage: deploy/backup.sh FOLDER

Writes FOLDER/<time>/ with events.log (or events.jsonl), keys.dump and sha256sums, whole or not at all.

  DATABASE_URL             Postgres, as the roles are told it
  TICKETING_LOG_DIRECTORY  where the embedded log keeps its files; else
  KURRENTDB_URL            any log: its events are exported
  TICKETING                the program, if it is not in PATH

Needs pg_dump of the server's version or newer. Keep the Secret with TICKETING_VAULT_KEY too, elsewhere:
the copy without it opens nothing, and it without the copy neither.
END
}

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=common.sh
. "$here/common.sh"
umask 077

name=$(date -u +%Y-%m-%dT%H-%M-%SZ)
final=$1/$name
unfinished=$1/.unfinished-$name-$$
mkdir -p "$unfinished"
trap 'rm -rf "$unfinished"' EXIT
trap 'exit 130' INT TERM

# First the events, then the keys: so the keys of everybody in the copied events are there. A key that
# was destroyed in between is gone from the copy too, as it should be.
if [ -n "${TICKETING_LOG_DIRECTORY:-}" ]; then
    ticketing log backup --directory "$TICKETING_LOG_DIRECTORY" "$unfinished/events.log"
    ticketing log verify "$unfinished/events.log"
else
    : "${KURRENTDB_URL:?or TICKETING_LOG_DIRECTORY says where the log is; see --help}"
    ticketing log export "$unfinished/events.jsonl"
fi
pg_dump --dbname "$DATABASE_URL" --schema vault --format custom --no-owner --no-privileges \
    --file "$unfinished/keys.dump"
pg_restore --list "$unfinished/keys.dump" | grep -q 'TABLE DATA vault person_key' ||
    fail "the copy of Postgres holds no table vault.person_key; is DATABASE_URL right?"

(cd "$unfinished" && sha256sum events.* keys.dump >sha256sums && sync events.* keys.dump sha256sums)
[ ! -e "$final" ] || fail "$final is there already"
mv "$unfinished" "$final"
sync "$1"
echo "backed up: $final ($(du -sh "$final" | cut -f 1))"
