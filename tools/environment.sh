# Sourced by ./demo and ./test: creates the virtual environment once and reuses it until
# pyproject.toml or constraints.txt changes.
#
#   prepare_environment ROOT [EXTRAS]     EXTRAS like "[dev]"; sets VENV
#
# PYTHON sets the base interpreter (python3.11 or python3 by default).
# ANYMASK_VENV sets the folder of the environment (ROOT/.venv by default).

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        is_new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or newer."
        printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3.11 python3 python; do
        if is_new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed: on Debian, 'apt-get install python3 python3-venv'."
}

# Run a program of the virtual environment: in_venv python -c ...
in_venv() {
    local program=$1 folder=bin
    shift
    [ -d "$VENV/Scripts" ] && folder=Scripts # as on Windows
    "$VENV/$folder/$program" "$@"
}

# The CUDA build of torch needs gigabytes of packages, so users are warned before the download.
# pip reports what it would install (--no-deps: without downloading them), and this reads the report.
cuda_packages() {
    in_venv python -c '
import json, sys
from pip._vendor.packaging.requirements import Requirement

for item in json.load(sys.stdin)["install"]:
    for text in item["metadata"].get("requires_dist", []):
        needs = Requirement(text)
        if needs.name.startswith(("nvidia", "cuda")):
            if needs.marker is None or needs.marker.evaluate({"extra": ""}):
                print(needs.name)
'
}

# --no-compile saves more than a minute: pip would also compile modules that are never imported.
# Python compiles modules on import, and must be allowed to save the result.
unset PYTHONDONTWRITEBYTECODE

install_torch() {
    local constraints=$1 plan
    echo "Installing torch (a download of about 200 MB) ..."
    plan=$(in_venv python -m pip install --quiet --dry-run --no-deps --report - \
        -c "$constraints" torch) ||
        fail "pip did not find the torch version in constraints.txt; its message is above."
    if [ -n "$(printf '%s' "$plan" | cuda_packages)" ]; then
        cat >&2 <<'END'
pip finds only the CUDA build of torch: several gigabytes, but it also works without a GPU.
For the small CPU build, stop now (Ctrl-C), set a source of it in pip (find-links or
extra-index-url) and run this again.
END
    fi
    in_venv python -m pip install --quiet --no-compile -c "$constraints" torch ||
        fail "pip could not install torch; its message is above."
}

prepare_environment() {
    local root=$1 extras=${2:-} python wanted stamp
    VENV=${ANYMASK_VENV:-$root/.venv}
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    stamp=$VENV/anymask-stamp$extras
    wanted="$root $(cat "$root/pyproject.toml" "$root/constraints.txt" | sha256sum)"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && in_venv python -c '' 2>/dev/null
    then
        return
    fi

    if ! in_venv python -m pip --version >/dev/null 2>&1; then
        python=$(find_python) || exit 1
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            fail "Python's venv module is missing; on Debian, install it with" \
                "'apt-get install python3-venv'."
        echo "Creating the virtual environment $VENV ..."
        "$python" -m venv --clear "$VENV" ||
            fail "The virtual environment $VENV could not be created."
    fi
    install_torch "$root/constraints.txt"
    echo "Installing anymask$extras ..."
    in_venv python -m pip install --quiet --no-compile -c "$root/constraints.txt" \
        -e "$root$extras" ||
        fail "pip could not install anymask; its message is above."
    printf '%s\n' "$wanted" >"$stamp"
}

# Debian packages for testing the napari window without a screen.
SCREEN_PACKAGES="xvfb libegl1 libgl1 libopengl0 libglx-mesa0 libgl1-mesa-dri libglib2.0-0 libdbus-1-3
libfontconfig1 libxkbcommon0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0
libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-sync1 libxcb-xfixes0
libxcb-xinerama0 fonts-dejavu-core"

# Install them as root on Debian; otherwise report which are missing.
prepare_screen() {
    local stamp=$VENV/anymask-stamp-screen missing=""
    [ "$(uname -s)" = Linux ] || return 0 # Windows and macOS have a screen of their own
    [ -f "$stamp" ] && return
    if command -v dpkg-query >/dev/null; then
        local package
        for package in $SCREEN_PACKAGES; do
            dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
                missing="$missing $package"
        done
    elif ! command -v Xvfb >/dev/null; then
        missing=" Xvfb"
    fi
    if [ -n "$missing" ]; then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            fail "The tests of the napari window need a virtual screen: install$missing."
        fi
        echo "Installing packages for a virtual screen ..."
        apt-get update -qq >/dev/null &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
                $missing >/dev/null || fail "apt-get could not install$missing."
    fi
    touch "$stamp"
}

# Chromium for the test of the page in the browser, which is left out where it cannot be had.
prepare_browser() {
    local stamp=$VENV/anymask-stamp-browser
    [ -f "$stamp" ] && return
    if ! command -v chromium >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing Chromium ..."
        apt-get update -qq >/dev/null &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
                chromium >/dev/null 2>&1 || echo "apt-get could not install chromium."
    fi
    touch "$stamp"
}
