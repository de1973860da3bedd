# Sourced by the scripts beside this file, which set `root` first: makes .venv fit to run.
#
# A later run only compares a stamp (a hash of the lock and of pyproject.toml, and the Python
# behind .venv) and starts no Python and no pip for it. Everything said here goes to stderr, so
# that `scripts/hftctl status --json | jq` works from the first time on.

setup_fail() {
    printf 'hftd set-up: %s\n' "$1" >&2
    exit 69
}

setup_python() {
    for candidate in ${HFTD_PYTHON:+"$HFTD_PYTHON"} python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
            2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    setup_fail "no Python 3.11, 3.12 or 3.13 was found in PATH; install one \
(Debian, Ubuntu: apt install python3 python3-venv), or name it: HFTD_PYTHON=/path/to/python3"
}

# Make .venv ready for $1: `run`, or `test`, which is the former and the tests' packages.
setup_ready() {
    [ "$1" = run ] || setup_ready run
    for tool in cat cut dirname readlink sha256sum; do
        command -v "$tool" >/dev/null || setup_fail "$tool is missing; it is part of coreutils"
    done
    set -- "$1" "$root/pyproject.toml" "$root/requirements.lock"
    [ "$1" = run ] || set -- "$@" "$root/requirements-test.lock"
    part=$1
    shift
    for source; do
        [ -r "$source" ] || setup_fail "$source is missing: this is no whole checkout"
    done
    hash=$(cat -- "$@" | sha256sum | cut -c 1-64)
    stamp=$root/.venv/hftd-$part.stamp
    if [ -r "$stamp" ] && [ -x "$root/.venv/bin/python" ] &&
        [ "$(cat -- "$stamp")" = "$hash $(readlink -f -- "$root/.venv/bin/python")" ]; then
        return
    fi
    python=$(setup_python)
    "$python" -I "$root/scripts/_setup.py" "$root" "$part" "$hash" >&2 || exit $?
}
