#!/bin/sh
# What the Makefile asks about this machine, and how it sets up the virtual environment.
#
#   missing compiler|python   one line that says what to install; nothing when all is there
#   cmake, ninja, preload     where the tool is (that of the system, else that of $VENV), or nothing
#   venv                      makes $VENV, which then knows the tree's python/ folder
#   pip STAMP PACKAGE...      installs into $VENV once, and leaves the file $VENV/STAMP
#   wish STAMP PACKAGE...     the same, but does without what cannot be had, and says so
set -u
VENV=${VENV:-.venv}
OLDEST='(3, 11)'

# The first Python that is new enough; nothing when there is none.
find_python() {
    for name in ${PYTHON3:-} python3 python3.15 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c "import sys; sys.exit(sys.version_info < $OLDEST)" >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
}

missing_compiler() {
    for name in ${CC:-cc gcc clang}; do
        if command -v "$name" >/dev/null 2>&1; then
            printf '#include <stdio.h>\nint main(void){return 0;}\n' |
                "$name" -x c -std=c17 -o /dev/null - >/dev/null 2>&1 && return
        fi
    done
    echo "no working C compiler: install gcc or clang with the C library's headers" \
        "(Debian: apt-get install gcc libc6-dev)"
}

missing_python() {
    python=$(find_python)
    if [ -z "$python" ]; then
        echo "no Python 3.11 or later on PATH: install python3 (Debian: apt-get install" \
            "python3 python3-dev python3-venv)"
        return
    fi
    "$python" - <<'END'
import importlib.util, os, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
need = []
if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    need.append("its headers (Debian: apt-get install python%s-dev)" % version)
if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
    need.append("its venv module (Debian: apt-get install python%s-venv)" % version)
if need:
    print("Python %s was found (%s), but not %s" % (version, sys.executable, " nor ".join(need)))
END
}

# A tool of the system if it is there and new enough, else the virtual environment's.
find_cmake() {
    for name in cmake "$PWD/$VENV/bin/cmake"; do
        path=$(command -v "$name" 2>/dev/null) || continue
        version=$("$path" --version 2>/dev/null |
            sed -n '1s/[^0-9]*\([0-9]*\)\.\([0-9]*\).*/\1 * 1000 + \2/p')
        if [ $((${version:-0})) -ge 3020 ]; then
            echo "$path"
            return
        fi
    done
}

find_ninja() {
    for name in ninja "$PWD/$VENV/bin/ninja"; do
        path=$(command -v "$name" 2>/dev/null) || continue
        "$path" --version >/dev/null 2>&1 && { echo "$path"; return; }
    done
}

# GCC's sanitizer runtimes, which must come first in a process that was not built with them.
find_preload() {
    "${CC:-cc}" -print-file-name=libasan.so
}

make_venv() {
    echo "setting up $VENV ..."
    python=$(find_python)
    "$python" -m venv "$VENV" || exit 1
    site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$PWD/python" >"$site/flambeau.pth"
    touch "$VENV/ready"
}

install_packages() {
    stamp=$VENV/$1
    shift
    echo "installing into $VENV: $*"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$@" || exit 1
    touch "$stamp"
}

wish_packages() {
    stamp=$VENV/$1
    shift
    lacking=
    for package in "$@"; do
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 \
            --timeout 10 "$package" >/dev/null 2>&1 || lacking="$lacking $package"
    done
    [ -z "$lacking" ] && touch "$stamp" && return
    echo "without$lacking, which cannot be installed here: the tests that need it are skipped"
}

case ${1:-} in
    missing) "missing_$2" ;;
    cmake) find_cmake ;;
    ninja) find_ninja ;;
    preload) find_preload ;;
    venv) make_venv ;;
    pip) shift; install_packages "$@" ;;
    wish) shift; wish_packages "$@" ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
