#!/bin/sh
# Proves that a backup can be restored: does it, into places of its own that are gone afterwards.
set -eu

usage() {
    cat <<'END'
usage: deploy/drill.sh BACKUP

Restores the log of BACKUP into a temporary folder and its keys into a new database beside the one of
DATABASE_URL, verifies both, and says how long it took. Needs a login that may create databases.

  DATABASE_URL  a Postgres server with room; its database itself is not touched
  TICKETING     the program, if it is not in PATH
END
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
[ -f "$1/events.log" ] || {
    echo "error: $1 holds no copy of an embedded log; an export is tried by importing it into an empty log" >&2
    exit 1
}
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
name=ticketing_drill_$(date -u +%Y%m%d%H%M%S)_$$
ask() { psql --dbname "$DATABASE_URL" --no-psqlrc --quiet --tuples-only --no-align --command "$1"; }
clean() {
    rm -rf "$folder"
    ask "DROP DATABASE IF EXISTS $name WITH (FORCE)"
}
trap clean EXIT
trap 'exit 130' INT TERM

began=$(date +%s)
ask "CREATE DATABASE $name"
# The same server, login and settings; another database.
of_drill=$(printf '%s' "$DATABASE_URL" | sed "s|^\([^?]*//[^/?]*\)\(/[^?]*\)\{0,1\}|\1/$name|")
DATABASE_URL=$of_drill TICKETING_LOG_DIRECTORY=$folder/log "$here/restore.sh" "$1"
echo "drilled: $1 can be restored; it took $(($(date +%s) - began)) s"
