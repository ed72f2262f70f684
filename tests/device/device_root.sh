#!/bin/bash
# Debian roots with the Python, the packages and the processor of a device, in which the device's code runs as it is
# installed there; one for another processor than the host's is emulated. What is run in them, the tests here say.
#
#   device_root.sh build ARCH SUITE ROOT    unpack it: arm64 or amd64; trixie (Python 3.13) or bookworm (3.11)
#   device_root.sh install ROOT...          install this checkout in them, as the wheel that pip would make of it
#   device_root.sh run ROOT COMMAND...      run a command inside; QEMU_CPU=cortex-a72 and so on name the processor
#
# Needs root, mmdebstrap, and a Python 3.11 or newer with pip ($PYTHON). See chroot.sh for what is and is not mounted.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
REPOSITORY=$(cd "$HERE/../.." && pwd)
. "$HERE/chroot.sh"

usage() { sed -n '5,7s/^# *//p' "$0" >&2; exit 2; }

build() {
    local arch=$1 suite=$2 root=$3 host machine version wanted
    [ ! -e "$root/$APP/numpy" ] || { echo "$root: already built" >&2; return 0; }
    case $suite in bookworm) version=3.11 ;; trixie) version=3.13 ;; *) die "$suite: build bookworm or trixie" ;; esac
    machine=$(machine_of "$arch")
    host=$(dpkg --print-architecture)
    [ "$arch" = "$host" ] || [ "$arch" = arm64 ] || die "$arch: on $host, $host and arm64 alone can be run"
    wanted=$(requirements "$machine" "$version")
    mapfile -t wanted <<<"$wanted"
    unpack "$arch" "$suite" "$root" zlib1g
    [ "$arch" = "$host" ] || fetch_emulator "$root"
    wheels "$root" "$arch" "$version" "${wanted[@]}"
}

# pip takes `--python-version` for choosing wheels, and its own version for markers, so that markers are resolved here.
requirements() {
    "$PYTHON" - "$REPOSITORY/pyproject.toml" "$@" <<'END'
import sys, tomllib
from pip._vendor.packaging.requirements import Requirement
with open(sys.argv[1], "rb") as file:
    lines = tomllib.load(file)["project"]["dependencies"]
target = {"platform_machine": sys.argv[2], "python_version": sys.argv[3], "python_full_version": sys.argv[3] + ".0"}
for wanted in map(Requirement, lines):
    if wanted.marker is None or wanted.marker.evaluate(target):
        print(f"{wanted.name}{wanted.specifier}")
END
}

# Debian 13's, wherever it is run: LiteRT crashes in that of Debian 12, version 7.2.
fetch_emulator() {
    local root=$1 folder
    folder=$(mktemp -d)
    mmdebstrap --quiet --variant=extract --include=qemu-user trixie "$folder" "deb $(mirror) trixie main"
    cp "$folder/usr/bin/qemu-aarch64" "$root/$EMULATOR"
    rm -rf "$folder"
}

# Built from a copy: setuptools leaves folders beside what it builds.
install_checkout() {
    local folder root
    for root in "$@"; do [ -e "$root/$APP/numpy" ] || die "$root: not built; run: $0 build ARCH SUITE $root"; done
    folder=$(mktemp -d)
    mkdir "$folder/source"
    tar -C "$REPOSITORY" --exclude=__pycache__ -cf - pyproject.toml README.md LICENSE NOTICE edge trainer |
        tar -C "$folder/source" -xf -
    "$PYTHON" -m pip wheel --quiet --no-deps --wheel-dir "$folder" "$folder/source"
    for root in "$@"; do
        "$PYTHON" -m pip install --quiet --no-deps --upgrade --target "$root/$APP" "$folder"/*.whl
    done
    rm -rf "$folder"
}

case "${1:-}" in
    build) [ $# -eq 4 ] || usage; shift; build "$@" ;;
    install) [ $# -ge 2 ] || usage; shift; install_checkout "$@" ;;
    run)
        [ $# -ge 3 ] || usage
        shift
        [ -e "$1/$APP/edge" ] || die "$1: nothing installed; run: $0 install $1"
        enter "$@"
        ;;
    *) usage ;;
esac
