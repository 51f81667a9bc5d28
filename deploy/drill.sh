#!/bin/sh
# Proves that a backup can be restored: does it, into places of its own that are gone afterwards.

usage() {
    cat <<'END'
usage: deploy/drill.sh BACKUP

Restores the log of BACKUP into a temporary folder and its keys into a new database beside the one of
DATABASE_URL, verifies both, and says how long it took. Needs a login that may create databases.

  DATABASE_URL  a Postgres server with room; its database itself is not touched
  TICKETING     the program, if it is not in PATH
END
}

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=common.sh
. "$here/common.sh"
[ -f "$1/events.log" ] ||
    fail "$1 holds no copy of an embedded log; an export is tried by importing it into an empty log"
folder=$(mktemp -d)
name=ticketing_drill_$(date -u +%Y%m%d%H%M%S)_$$
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
