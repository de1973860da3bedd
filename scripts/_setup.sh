# Sourced by the scripts beside this file, which set `root` first: makes .venv fit to run.
#
# A later run only compares a stamp (a hash of the lock and of pyproject.toml, and the Python
# behind .venv) and starts no Python and no pip for it. Everything said here goes to stderr, so
# that `scripts/hftctl status --json | jq` works from the first time on.

setup_fail() {
    printf 'hftd set-up: %s\n' "$1" >&2
    exit 69
}

# 0: fit for a .venv. 2: fit, but it lies in a home, which a service may not read (ProtectHome), and
# is often one that its user built without the compiler's profile, a sixth slower; or it lacks venv,
# which is said later.
setup_probe='import importlib.util, os, sys
if not (3, 11) <= sys.version_info[:2] < (3, 14):
    sys.exit(1)
whole = all(map(importlib.util.find_spec, ("venv", "ensurepip")))
home = (os.path.realpath(sys.base_prefix) + "/").startswith(("/home/", "/root/"))
sys.exit(0 if whole and not home else 2)'

# Print the Python to make .venv with: the one named, else the first in PATH that is in no home.
# Called in a subshell, $(...): IFS and -f are its own.
setup_python() {
    if [ -n "${HFTD_PYTHON:-}" ]; then
        setup_fits "$HFTD_PYTHON"
        [ "$fit" != 1 ] || setup_fail "HFTD_PYTHON names $HFTD_PYTHON, which is no Python 3.11, \
3.12 or 3.13"
        printf '%s\n' "$HFTD_PYTHON"
        return
    fi
    second=
    IFS=:
    set -f
    for name in python3.11 python3.12 python3.13 python3; do
        for folder in $PATH; do
            candidate=${folder:-.}/$name
            setup_fits "$candidate"
            if [ "$fit" = 0 ]; then
                printf '%s\n' "$candidate"
                return
            fi
            [ "$fit" = 1 ] || second=${second:-$candidate}
        done
    done
    [ -n "$second" ] || setup_fail "no Python 3.11, 3.12 or 3.13 was found in PATH; install one \
(Debian, Ubuntu: apt install python3 python3-venv), or name it: HFTD_PYTHON=/path/to/python3"
    printf '%s\n' "$second"
}

# Set `fit` of the Python $1: 0, 2, or 1 for none.
setup_fits() {
    fit=0
    "$1" -c "$setup_probe" 2>/dev/null || fit=$?
    case $fit in 0 | 2) ;; *) fit=1 ;; esac
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
