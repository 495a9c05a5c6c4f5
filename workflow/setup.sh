#!/bin/sh
# Fill .venv with what requirements.lock pins and leave the stamp $1, last of all:
# an interrupted set-up has no stamp, and the next make goes on where this one ended.
set -eu

python=${PYTHON:-python3}
kilobytes=3000000

stop() {
    echo "set-up: $*" >&2
    exit 1
}

install() {
    .venv/bin/python -m pip install -qq --disable-pip-version-check "$@" ||
        stop "installing did not finish; the same command goes on from here."
}

command -v "$python" >/dev/null ||
    stop "$python was not found. Install Python 3.11 to 3.13, or say which: make PYTHON=python3.12"
"$python" -c 'import sys; sys.exit(not (3, 11, 5) <= sys.version_info < (3, 14))' ||
    stop "Python 3.11.5 to 3.13 is needed, $python is $("$python" --version 2>&1). Another one: make PYTHON=python3.12"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    stop "$python has no venv module. On Debian and Ubuntu: apt install python3-venv"
free=$(df -Pk . | awk 'NR == 2 {print $4}')
filled=$({ du -sk .venv 2>/dev/null || echo 0; } | cut -f1)
[ $((free + filled)) -ge $kilobytes ] ||
    stop "3 GB of free disk are needed here, $((free / 1000)) MB are left."

echo "set-up: once, a few minutes, into .venv"
.venv/bin/python -c '' 2>/dev/null || rm -rf .venv # its Python is gone
rm -f .venv/stamp-*
"$python" -m venv .venv || stop "$python -m venv .venv failed."
echo "set-up: 1 of 2, torch"
install "$(grep '^torch==' requirements.lock)" # first and alone, so that pip settles its build
echo "set-up: 2 of 2, everything else"
install -r requirements.lock
install --no-deps --no-build-isolation -e .

mkdir -p .venv/ipython/profile_default
cp workflow/kernel_config.py .venv/ipython/profile_default/ipython_kernel_config.py

touch "$1"
