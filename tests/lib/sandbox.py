"""What a systemd unit takes away from its service, taken away without systemd.

As a module: reads a unit and says how to start its program under the unit's capabilities, limits, seccomp filters and
read-only file system. As a program (the last link of that chain, already the ordinary user): installs the filters and
becomes the server. The seccomp part is made from the same tables as systemd's, `systemd-analyze syscall-filter`.
"""

import ctypes
import os
import re
import socket
import struct
import subprocess
import sys

UNISTD = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
AUDIT_ARCH_X86_64, X32_BIT = 0xC000003E, 0x40000000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
ALLOW, ERRNO, EPERM, ENOSYS = 0x7FFF0000, 0x00050000, 1, 38
LOAD, JEQ, JGE, JSET, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06  # linux/bpf_common.h
NUMBER, ARCH, ARGUMENTS = 0, 4, 16  # struct seccomp_data
PYTHON = "/usr/bin/python3"  # not sys.executable: that may be in a home directory, which the unit hides
PROT_WRITE, PROT_EXEC = 2, 4
CLONE_NEW = 0x7E020080  # every CLONE_NEW* flag
FAMILIES = {"AF_XDP": 44, **{name: int(value) for name, value in vars(socket).items() if name.startswith("AF_")}}


def settings(unit):
    """The assignments of a unit's [Service] section: {name: [values in their order]}."""
    found, section = {}, ""
    with open(unit) as file:
        for line in file.read().replace("\\\n", " ").splitlines():
            if line.startswith("["):
                section = line.strip()
            elif section == "[Service]" and "=" in line and not line.startswith(("#", ";")):
                name, _, value = line.partition("=")
                found.setdefault(name.strip(), []).append(value.strip())
    return found


def group(name):
    """The system calls of a group (`@file-system`), or of a plain name."""
    if not name.startswith("@"):
        return {name}
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, text=True,
                          check=True).stdout
    words = [line.strip() for line in text.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(group(word) for word in words))


def allowed_calls(values):
    """What SystemCallFilter= leaves: lists in their order, `~` takes away; @default is always in."""
    calls = group("@default")
    for value in values:
        named = set().union(*(group(word) for word in value.lstrip("~").split()))
        calls = calls - named if value.startswith("~") else calls | named
    return calls


def capabilities(values):
    """`CAP_NET_ADMIN CAP_BPF` as setpriv writes it: `-all,+net_admin,+bpf`."""
    return ",".join(["-all", *("+" + word.removeprefix("CAP_").lower() for word in " ".join(values).split())])


def command(helper, unit, writable, user, words, without=()):
    """The command line that starts `words` as the unit would, as `user` (uid, gid), with `writable` the one directory that
    can be written to. `helper`: this file, where that user can read it. `without`: capabilities that are left out."""
    of = settings(unit)
    ambient = [word for word in " ".join(of["AmbientCapabilities"]).split() if word not in without]
    bounding = [word for word in " ".join(of["CapabilityBoundingSet"]).split() if word not in without]
    # A container forbids to raise them even to root (no CAP_SYS_RESOURCE): then it goes on with what there is.
    limits = f"ulimit -l {of['LimitMEMLOCK'][-1].replace('infinity', 'unlimited')} 2>/dev/null; "
    limits += f"ulimit -n {of['LimitNOFILE'][-1]} 2>/dev/null; "
    # ProtectSystem=strict, ProtectKernelTunables=, ProtectControlGroups=, ProtectHome=, RuntimeDirectory=.
    mounts = (limits + "set -e; mount --bind $0 $0; mount -t tmpfs -o mode=0 tmpfs /home; "
              "mount -t tmpfs -o mode=0 tmpfs /root; mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; mount -o remount,bind,ro /sys; "
              "mount -o remount,bind,ro /; exec \"$@\"")
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", mounts, writable,
            "setpriv", f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups", "--no-new-privs",
            f"--inh-caps={capabilities(ambient)}", f"--ambient-caps={capabilities(ambient)}",
            f"--bounding-set={capabilities(bounding)}", PYTHON, helper, unit, *words]


def program(unit):
    """The seccomp filter of the unit, as struct sock_filter[]."""
    of = settings(unit)
    with open(UNISTD) as file:
        numbers = {name: int(number) for name, number in re.findall(r"__NR_(\w+) (\d+)", file.read())}
    families = [FAMILIES[word] for word in " ".join(of["RestrictAddressFamilies"]).split()]
    code = []

    def put(operation, value, then=0, otherwise=0):
        code.append(struct.pack("=HBBI", operation, then, otherwise, value))

    def argument(index):
        put(LOAD, ARGUMENTS + 8 * index)

    def on(name, rule):
        """`rule` is put behind a test for the call `name`; it must not fall through with another value loaded."""
        start = len(code)
        put(JEQ, numbers[name], 0, 0)
        rule()
        put(LOAD, NUMBER)
        code[start] = struct.pack("=HBBI", JEQ, 0, len(code) - start - 1, numbers[name])

    def refuse_bits(index, bits):
        argument(index)
        put(AND, bits)
        put(JEQ, bits, 0, 1)
        put(RETURN, ERRNO | EPERM)

    def refuse_any(index, bits):
        argument(index)
        put(JSET, bits, 0, 1)
        put(RETURN, ERRNO | EPERM)

    def only_families():
        argument(0)
        for place, family in enumerate(families):
            put(JEQ, family, len(families) - place, 0)
        put(RETURN, ERRNO | 97)  # EAFNOSUPPORT, as systemd answers

    put(LOAD, ARCH)
    put(JEQ, AUDIT_ARCH_X86_64, 1, 0)
    put(RETURN, ERRNO | EPERM)
    put(LOAD, NUMBER)
    put(JGE, X32_BIT, 0, 1)
    put(RETURN, ERRNO | EPERM)
    on("socket", only_families)  # RestrictAddressFamilies=
    on("mmap", lambda: refuse_bits(2, PROT_WRITE | PROT_EXEC))  # MemoryDenyWriteExecute=
    on("mprotect", lambda: refuse_any(2, PROT_EXEC))
    on("pkey_mprotect", lambda: refuse_any(2, PROT_EXEC))
    on("clone", lambda: refuse_any(0, CLONE_NEW))  # RestrictNamespaces=
    on("clone3", lambda: put(RETURN, ERRNO | ENOSYS))
    for name in ("unshare", "setns"):
        on(name, lambda: put(RETURN, ERRNO | EPERM))
    for name in sorted(allowed_calls(of["SystemCallFilter"]) & numbers.keys()):
        put(JEQ, numbers[name], 0, 1)
        put(RETURN, ALLOW)
    put(RETURN, ERRNO | EPERM)
    return b"".join(code)


def main(unit, words):
    """Install the filter and become the program; what refuses to be installed ends it."""
    code = program(unit)
    lines = ctypes.create_string_buffer(code, len(code))
    fprog = struct.pack("@HP", len(code) // 8, ctypes.addressof(lines))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(fprog), 0, 0) != 0:
        sys.exit(f"sandbox: seccomp: {os.strerror(ctypes.get_errno())}")
    os.execv(words[0], words)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
