#!/bin/bash
# A Debian 13 root with the real libcamera and picamera2 packages, in which libcamera's `virtual` pipeline stands in
# for a sensor. Leaves what is asked of the camera to virtual_camera_driver.py.
#
#   virtual_camera.sh build ROOT            unpack it (about half a minute; needs root, mmdebstrap, pip)
#   virtual_camera.sh run ROOT CASE [...]   run the driver's CASE inside; its answer is JSON on standard output
#
# The root is unpacked, not configured: no maintainer script ever runs in it, and nothing of the host's /dev, /sys or
# files is bound into it. Remove it only when `findmnt` shows nothing below it.
set -euo pipefail

PYTHON=${PYTHON:-python3}
HERE=$(cd "$(dirname "$0")" && pwd)
REPOSITORY=$(cd "$HERE/../.." && pwd)

usage() { sed -n '5,6s/^# *//p' "$0" >&2; exit 2; }

mirror() {
    local found
    found=$(grep -hs '^URIs:' /etc/apt/sources.list.d/debian.sources | head -n 1 | awk '{print $2}')
    echo "${found:-http://deb.debian.org/debian}"
}

build() {
    local root=$1 debian packages
    [ ! -e "$root/opt/app/picamera2" ] || { echo "$root: already built" >&2; return 0; }
    debian=$(mirror)
    # Debian 13's own libcamera 0.4.0 drops every frame of the virtual pipeline; the backport does not.
    packages=base-files,bash,coreutils,libc-bin,libstdc++6,python3,python3-prctl
    for name in python3-libcamera libcamera-tools libcamera-ipa libcamera-v4l2 libcamera0.7; do
        packages+=",$name/trixie-backports"
    done
    mmdebstrap --quiet --architectures=amd64 --variant=extract --include="$packages" trixie "$root" \
        "deb $debian trixie main" "deb $debian trixie-backports main"
    mkdir -p "$root"/{proc,dev,sys,opt/app,opt/frames}
    install_wheels "$root/opt/app"
}

install_wheels() {
    local target=$1 tags=() tag
    for tag in 2_34 2_28 2_27 2_17; do tags+=(--platform "manylinux_${tag}_x86_64"); done
    tags+=(--platform manylinux2014_x86_64 --only-binary=:all: --implementation cp --python-version 3.13)
    "$PYTHON" -m pip install --quiet --target "$target" "${tags[@]}" \
        'numpy==2.2.6' 'pillow>=11' simplejpeg piexif videodev2 av tqdm jsonschema
    "$PYTHON" -m pip install --quiet --target "$target" "${tags[@]}" --no-deps 'picamera2==0.3.38'
}

copy_sources() {
    # Copied, not bound: what happens in the root cannot reach the checkout.
    local root=$1
    mkdir -p "$root/opt/app/edge"
    tar -C "$REPOSITORY" --exclude=edge/models --exclude=edge/demo --exclude=__pycache__ -cf - edge |
        tar -C "$root/opt/app" -xf -
    cp "$HERE"/virtual_camera_{driver,shim}.py "$root/opt/app/"
}

run() {
    local root
    root=$(realpath "$1"); shift
    [ -e "$root/opt/app/picamera2" ] || { echo "$root: not built; run: $0 build $root" >&2; exit 2; }
    copy_sources "$root"
    # Everything mounted below lives and dies with this one process's mount namespace.
    exec unshare --mount --propagation private bash -euc '
        root=$1; shift
        mount -t proc proc "$root/proc"
        mount -t tmpfs -o mode=755,size=256m tmpfs "$root/dev"
        mkdir "$root/dev/shm"
        mknod -m 666 "$root/dev/null" c 1 3
        mknod -m 666 "$root/dev/zero" c 1 5
        mknod -m 666 "$root/dev/urandom" c 1 9
        ln -s /proc/self/fd "$root/dev/fd"
        exec chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/root PYTHONDONTWRITEBYTECODE=1 \
            PYTHONPATH=/opt/app LIBCAMERA_LOG_LEVELS="*:ERROR" python3 /opt/app/virtual_camera_driver.py "$@"
    ' inside "$root" "$@"
}

case "${1:-}" in
    build) [ $# -eq 2 ] || usage; build "$2" ;;
    run) [ $# -ge 3 ] || usage; shift; run "$@" ;;
    *) usage ;;
esac
