# What the scripts share. Sourced, never run.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
script_name=script/$(basename "$0")
minimum_rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")

say() { printf '%s: %s\n' "$script_name" "$*" >&2; }
die() { say "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# The comment at the top of the script that runs, without its marks.
print_help() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# version_at_least 1.94 1.95.0
version_at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

can_be_root() { [ "$(id -u)" = 0 ] || have sudo; }

# Asks for a password only where somebody can answer.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif [ -t 0 ]; then sudo -- "$@"
    else sudo -n -- "$@"
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"
}

# Where cargo puts what it builds: a binary is at "$(target_dir)/release/weir".
target_dir() {
    local dir=${CARGO_TARGET_DIR:-target}
    case $dir in
        /*) echo "$dir" ;;
        *) echo "$root/$dir" ;;
    esac
}

# The folder of a PostgreSQL server's programs, found where `weir up` looks for it.
postgres_bin() {
    local dir
    for dir in $(postgres_candidates); do
        if [ -x "$dir/postgres" ] && [ -x "$dir/initdb" ]; then
            echo "$dir"
            return
        fi
    done
    return 1
}

postgres_candidates() {
    have postgres && dirname "$(command -v postgres)"
    have pg_config && pg_config --bindir 2>/dev/null
    local pattern
    for pattern in '/usr/lib/postgresql/*/bin' '/usr/pgsql-*/bin' '/usr/lib/postgresql*/bin' /usr/local/pgsql/bin \
        '/opt/homebrew/opt/postgresql*/bin' '/usr/local/opt/postgresql*/bin' '/opt/local/lib/postgresql*/bin' \
        '/Applications/Postgres.app/Contents/Versions/*/bin'; do
        compgen -G "$pattern" | sort -rV
    done
    return 0
}

chromium() {
    local name
    for name in chromium chromium-browser google-chrome; do
        have "$name" && { command -v "$name"; return; }
    done
    return 1
}

# human_time 754 -> 12 min 34 s
human_time() {
    if [ "$1" -lt 60 ]; then echo "$1 s"; else echo "$(($1 / 60)) min $(($1 % 60)) s"; fi
}
