# shellcheck shell=sh
# The head of backup.sh, restore.sh and drill.sh, which source it after they have said their usage().
set -eu

fail() {
    echo "error: $*" >&2
    exit 1
}

ticketing() { "${TICKETING:-ticketing}" "$@"; }

ask() { psql --dbname "$DATABASE_URL" --no-psqlrc --quiet --tuples-only --no-align --command "$1"; }

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
