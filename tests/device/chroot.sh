# shellcheck shell=bash
# Sourced by the scripts here that make and enter Debian roots. Leaves to them what a root holds and what is run in it.
#
# A root is unpacked, not configured: no maintainer script ever runs in it, and nothing of the host's /dev, /sys or
# files is bound into it. Remove one only when `findmnt` shows nothing below it.

PYTHON=${PYTHON:-python3}
# Where the wheels and our code lie in a root, and the emulator of a root for another processor.
APP=opt/app
EMULATOR=opt/qemu-aarch64

die() { echo "$*" >&2; exit 2; }

mirror() {
    local found
    found=$(grep -hs '^URIs:' /etc/apt/sources.list.d/debian.sources | head -n 1 | awk '{print $2}')
    echo "${found:-http://deb.debian.org/debian}"
}

# unpack ARCH SUITE ROOT PACKAGES [SUITE...]: Debian packages, comma-separated, with what they need; from more suites.
unpack() {
    local arch=$1 suite=$2 root=$3 packages=$4 debian name sources=()
    shift 4
    command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: apt-get install mmdebstrap"
    [ -z "$(ls -A "$root" 2>/dev/null)" ] || die "$root: not empty, and no finished root; name another folder"
    debian=$(mirror)
    for name in "$suite" "$@"; do sources+=("deb $debian $name main"); done
    mmdebstrap --quiet --architectures="$arch" --variant=extract \
        --include="base-files,bash,coreutils,libc-bin,libstdc++6,python3,$packages" "$suite" "$root" "${sources[@]}"
    mkdir -p "$root"/{proc,dev,sys,"$APP"}
}

machine_of() {
    case $1 in amd64) echo x86_64 ;; arm64) echo aarch64 ;; *) die "$1: no architecture that is known here" ;; esac
}

# wheels ROOT ARCH PYTHON_VERSION ARGUMENT...: what pip would install in the root, fetched by the host's pip.
wheels() {
    local root=$1 arch=$2 version=$3 machine minor platforms=()
    shift 3
    machine=$(machine_of "$arch")
    for minor in $(seq 36 -1 17); do platforms+=(--platform "manylinux_2_${minor}_$machine"); done
    "$PYTHON" -m pip install --quiet --target "$root/$APP" "${platforms[@]}" --platform "manylinux2014_$machine" \
        --only-binary=:all: --implementation cp --python-version "$version" "$@"
}

# enter ROOT COMMAND...: replaces this process by COMMAND in the root. QEMU_CPU names the processor that is emulated.
# Whatever is mounted lives and dies with the one process's own mount namespace.
enter() {
    local root
    root=$(realpath "$1")
    shift
    exec unshare --mount --propagation private bash -euc "$(declare -f emulate furnish); EMULATOR=$EMULATOR
        root=\$1; shift
        [ ! -e \"\$root/\$EMULATOR\" ] || emulate \"\$root/\$EMULATOR\"
        furnish \"\$root\"
        exec chroot \"\$root\" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/root LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 \
            PYTHONPATH=/$APP \${QEMU_CPU:+QEMU_CPU=\$QEMU_CPU} \"\$@\"" inside "$root" "$@"
}

# The kernel holds the emulator open (flag F), so that programs in the root find it. From Linux 6.7 on the entry goes
# with the last mount of binfmt_misc, here that of this namespace.
emulate() {
    local emulator=$1 entries=/proc/sys/fs/binfmt_misc magic mask
    mount -t binfmt_misc binfmt_misc "$entries" || { echo "binfmt_misc cannot be mounted: no emulation here" >&2; exit 2; }
    magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    # Another process may be faster; its entry serves as well.
    [ -e "$entries/doorward-arm64" ] ||
        { printf '%s' ":doorward-arm64:M::$magic:$mask:$emulator:POCF" >"$entries/register"; } 2>/dev/null ||
        [ -e "$entries/doorward-arm64" ]
}

furnish() {
    local root=$1
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=755,size=256m tmpfs "$root/dev"
    mkdir "$root/dev/shm"
    mknod -m 666 "$root/dev/null" c 1 3
    mknod -m 666 "$root/dev/zero" c 1 5
    mknod -m 666 "$root/dev/random" c 1 8
    mknod -m 666 "$root/dev/urandom" c 1 9
    ln -s /proc/self/fd "$root/dev/fd"
}
