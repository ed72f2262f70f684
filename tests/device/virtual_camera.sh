#!/bin/bash
# A Debian 13 root with the real libcamera and picamera2 packages, in which libcamera's `virtual` pipeline stands in
# for a sensor. Leaves what is asked of the camera to virtual_camera_driver.py.
#
#   virtual_camera.sh build ROOT            unpack it (about half a minute; needs root, mmdebstrap, pip)
#   virtual_camera.sh run ROOT CASE [...]   run the driver's CASE inside; its answer is JSON on standard output
#
# See chroot.sh for what is and is not mounted in it.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
REPOSITORY=$(cd "$HERE/../.." && pwd)
. "$HERE/chroot.sh"

usage() { sed -n '5,6s/^# *//p' "$0" >&2; exit 2; }

build() {
    local root=$1 name packages=python3-prctl
    [ ! -e "$root/$APP/picamera2" ] || { echo "$root: already built" >&2; return 0; }
    # Debian 13's own libcamera 0.4.0 drops every frame of the virtual pipeline; the backport does not.
    for name in python3-libcamera libcamera-tools libcamera-ipa libcamera-v4l2 libcamera0.7; do
        packages+=",$name/trixie-backports"
    done
    unpack amd64 trixie "$root" "$packages" trixie-backports
    mkdir -p "$root/opt/frames"
    wheels "$root" amd64 3.13 'numpy==2.2.6' 'pillow>=11' simplejpeg piexif videodev2 av tqdm jsonschema
    wheels "$root" amd64 3.13 --no-deps 'picamera2==0.3.38'
}

copy_sources() {
    # Copied, not bound: what happens in the root cannot reach the checkout.
    local root=$1
    mkdir -p "$root/$APP/edge"
    tar -C "$REPOSITORY" --exclude=edge/models --exclude=edge/demo --exclude=__pycache__ -cf - edge |
        tar -C "$root/$APP" -xf -
    cp "$HERE"/virtual_camera_{driver,shim}.py "$root/$APP/"
}

run() {
    local root=$1
    shift
    [ -e "$root/$APP/picamera2" ] || die "$root: not built; run: $0 build $root"
    copy_sources "$root"
    enter "$root" env LIBCAMERA_LOG_LEVELS='*:ERROR' python3 "/$APP/virtual_camera_driver.py" "$@"
}

case "${1:-}" in
    build) [ $# -eq 2 ] || usage; build "$2" ;;
    run) [ $# -ge 3 ] || usage; shift; run "$@" ;;
    *) usage ;;
esac
