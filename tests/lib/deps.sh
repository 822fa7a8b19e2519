# What a build and the tests need on Debian 12 and 13 (Proxmox VE 8 and 9): sourced by install.sh and tests/run.
# Only what is missing is installed. Needs root. Every function returns non-zero after saying what to do.

BUILD_PACKAGES="clang llvm libclang-dev m4 make pkg-config musl-tools autoconf automake autopoint gettext flex bison gawk
 libtool linux-libc-dev gcc g++ libc6-dev ca-certificates curl"
DEMO_PACKAGES="iproute2 bind9-dnsutils procps"
TEST_PACKAGES="$DEMO_PACKAGES python3 util-linux unbound nsd knot knot-dnsutils bind9 ldnsutils dnsperf bpftool libxdp-dev libbpf-dev
 systemd passwd"
VM_PACKAGES="genisoimage xorriso dnsmasq-base e2fsprogs qemu-utils dash ethtool kmod libcap2-bin cpio zstd xz-utils debootstrap
 debian-archive-keyring"
# appliance/build brings the tools that make the image itself (appliance/inputs); these only fetch, check and unpack them.
APPLIANCE_PACKAGES="python3 gpgv debian-archive-keyring dpkg util-linux git ca-certificates"
MUSL_TARGET=x86_64-unknown-linux-musl

say() { printf '%s\n' "$*" >&2; }

installed() { [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null)" = "ii " ]; }

# apt_install PACKAGE...: installs what is missing, with the options of apt-get in APT_OPTIONS. DNS servers that come in
# only as peers for the tests are neither started nor enabled: nothing here may take port 53 of the host.
apt_install() {
    local missing="" package policy=""
    for package in "$@"; do installed "$package" || missing="$missing $package"; done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || { say "not a Debian system; install these packages yourself:$missing"; return 1; }
    say "installing:$missing"
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
    fi
    # Whoever else installs on this machine (unattended upgrades, another run) is waited for.
    local status=0 log wait="-o DPkg::Lock::Timeout=600"
    log=$(mktemp)
    {
        apt-get -q $wait update &&
            DEBIAN_FRONTEND=noninteractive apt-get -q -y $wait install --no-install-recommends ${APT_OPTIONS:-} $missing
    } >"$log" 2>&1 </dev/null || status=1
    [ -z "$policy" ] || rm -f "$policy"
    if [ $status -ne 0 ]; then
        tail -n 20 "$log" >&2
        say "apt-get could not install:$missing"
    fi
    rm -f "$log"
    for package in $missing; do
        case $package in
            unbound | nsd | knot) systemctl -q disable --now "${package}.service" 2>/dev/null ;;
            bind9) systemctl -q disable --now named.service 2>/dev/null ;;
        esac
    done
    return $status
}

# version_at_least HAVE WANT
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

cargo_version() { cargo --version 2>/dev/null | awk '{print $2}'; }

# A Rust that is new enough for Cargo.toml's rust-version, with the musl target. rustup takes the version that
# rust-toolchain.toml names.
rust_install() {
    local root=$1 want channel
    channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$root/rust-toolchain.toml")
    want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
    if ! version_at_least "$(cargo_version || echo 0)" "$want"; then
        rustup_install || return 1
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
        hash -r
        rustup -q toolchain install "$channel" --profile minimal >/dev/null || return 1
    fi
    export PATH
    version_at_least "$(cargo_version || echo 0)" "$want" || {
        say "cargo $(cargo_version) is too old, $want is needed: https://rustup.rs"
        return 1
    }
    [ -d "$(rustc --print sysroot)/lib/rustlib/$MUSL_TARGET" ] || rustup -q target add $MUSL_TARGET || {
        say "the Rust target $MUSL_TARGET is missing and rustup could not add it"
        return 1
    }
}

rustup_install() {
    command -v rustup >/dev/null && return 0
    if [ -n "$(candidate rustup)" ]; then
        apt_install rustup
        return
    fi
    say "installing Rust with rustup (https://rustup.rs): Debian's own is too old"
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -q -y --profile minimal --no-modify-path >/dev/null
}

# Formatter and linter, for the tests only.
rust_tools_install() {
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 ||
        rustup -q component add clippy rustfmt >/dev/null
}

# QEMU with the network card igb: since 8.0. Debian 12 has it in its backports; Proxmox VE has its own package.
qemu_install() {
    local has_igb="qemu-system-x86_64 -device igb,help"
    $has_igb >/dev/null 2>&1 && return 0
    if grep -q '^VERSION_CODENAME=bookworm' /etc/os-release; then
        backports_source || return 1
        APT_OPTIONS="-t bookworm-backports" apt_install qemu-system-x86/bookworm-backports || return 1
    else
        apt_install qemu-system-x86 || return 1
    fi
    $has_igb >/dev/null 2>&1 || { say "qemu-system-x86_64 has no device igb: version 8.0 or newer is needed"; return 1; }
}

# candidate PACKAGE: the version that apt would install.
candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/ *Candidate: \([0-9].*\)/\1/p'; }

# Debian 12's backports, in a file of its own, when apt does not know them. Nothing is taken from there unasked.
backports_source() {
    apt-cache policy 2>/dev/null | grep -q 'n=bookworm-backports' && return 0
    say "adding bookworm-backports: /etc/apt/sources.list.d/runbound-tests.sources"
    printf '%s\n' 'Types: deb' 'URIs: http://deb.debian.org/debian' 'Suites: bookworm-backports' 'Components: main' \
        'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' >/etc/apt/sources.list.d/runbound-tests.sources
}

build_deps() { apt_install $BUILD_PACKAGES && rust_install "$1"; }
appliance_deps() { apt_install $APPLIANCE_PACKAGES && build_deps "$1"; }
demo_deps() { apt_install $DEMO_PACKAGES; }
test_deps() {
    apt_install $BUILD_PACKAGES $TEST_PACKAGES $VM_PACKAGES && qemu_install && rust_install "$1" && rust_tools_install
}
