"""A virtual machine that boots one of Debian's kernels from memory and runs shell commands: the guest of the VM lab.

Its initramfs is made of the host's dash, iproute2 and ethtool with their libraries, Debian's busybox for the rest (its own
shell would run its own `ip`), and the kernel modules that are wanted. A small loop in PID 1 takes the commands from a
virtio-serial port.
"""

import base64
import os
import re
import shlex
import shutil
import subprocess
import time

from kernels import unpack_module, unpacked
from lab import PATIENCE, LabError
from vm import Machine

# What the guest's PID 1 does. Commands come as `NUMBER SECONDS SCRIPT`, the script with escapes, replies go as
# `NUMBER STATUS BASE64`. Starting a program is what takes an emulated machine long, hence the shell's own printf.
INIT = """#!/bin/dash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C
busybox mkdir -p /proc /sys /dev /run /tmp /root /etc
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mount -t tmpfs tmpfs /run
busybox --install -s /bin/busybox.d
PATH=$PATH:/bin/busybox.d
while read -r module options; do
    insmod "/modules/$module" $options || echo "insmod $module: failed"
done < /modules/order
ip link set lo up
cd /root
port=
while [ ! -e "$port" ]; do for port in /dev/vport*p1; do :; done; sleep 0.05; done
exec 3<>"$port"
printf 'ready\\n' >&3
while :; do
    while read -r number seconds command <&3; do
        printf %b "$command" > /tmp/command
        timeout -s KILL "$seconds" dash /tmp/command > /tmp/output 2>&1 < /dev/null
        status=$?
        printf '%s %s ' "$number" "$status" >&3
        base64 -w 0 /tmp/output >&3
        printf '\\n' >&3
    done
    sleep 0.1
done
"""
TOOLS = ("dash", "ip", "ethtool", "sysctl")
MODULES = ("virtio_pci", "virtio_console", "virtio_net", "igb", "bonding max_bonds=0", "8021q", "bridge", "veth", "ipvlan",
           "macvlan", "dummy", "af_packet", "virtio_rng")


class Guest(Machine):
    """A machine that boots one of Debian's kernels from memory and runs shell commands (dash, iproute2, ethtool, busybox)."""

    def __init__(self, lab, name, kernel, files=None, tools=TOOLS, modules=MODULES, memory=512, cpus=2):
        """`files`: {path in the guest: path here}; `tools`: programs of the host that go in with their libraries."""
        super().__init__(lab, name, memory, cpus)
        self.linux, self.number, self.sock = kernel, 0, None
        self.agent_path = self.channel("agent")
        initrd = initramfs(lab, f"{name}.initrd", kernel, files or {}, tools, modules)
        self.kernel(kernel.image, initrd, "console=ttyS0 loglevel=7 panic=-1 rdinit=/init net.ifnames=0 "
                    "mitigations=off nokaslr random.trust_cpu=on tsc=reliable")

    def boot(self, seconds=5 * PATIENCE):
        """Start it and wait until it takes commands."""
        self.start_until(lambda: self._ready(seconds))

    def _ready(self, seconds):
        self.sock = self.connect(self.agent_path)
        self.pending = b""
        line = self._line(time.monotonic() + seconds, "the boot")
        if line != "ready":
            raise LabError(f"{self.name}: the guest said {line!r}")

    def run(self, command, timeout=PATIENCE):
        """Run a shell script in the guest; returns (exit status, output). What outlasts the time limit is killed (137)."""
        self.number += 1
        script = command.replace("\\", "\\\\").replace("\n", "\\n")
        self.sock.settimeout(timeout + PATIENCE)
        self.sock.sendall(f"{self.number} {timeout} {script}\\n\n".encode())
        number, status, output = self._line(time.monotonic() + timeout + PATIENCE, command).split(" ")
        if int(number) != self.number:
            raise LabError(f"{self.name}: the reply to command {number} instead of {self.number}")
        return int(status), base64.b64decode(output).decode(errors="replace")

    def sh(self, command, timeout=PATIENCE):
        """Run a shell script that must succeed (`set -e` is on); returns its output."""
        status, output = self.run("set -e\n" + command, timeout)
        if status != 0:
            raise LabError(f"{self.name}: exit {status}: {command}\n{output}")
        return output

    def spawn(self, command, log):
        """Start a command that goes on running, its output in a file of the guest; returns its process id there."""
        return int(self.sh(f"{command} > {log} 2>&1 < /dev/null & echo $!"))

    def write(self, path, text):
        """Write a file in the guest."""
        self.sh(f"printf %s {shlex.quote(text)} > {path}")

    def wait(self, command, what, seconds=PATIENCE):
        """Repeat a command in the guest until it succeeds; returns its output."""
        end = time.monotonic() + seconds
        while True:
            status, output = self.run(command)
            if status == 0:
                return output
            if time.monotonic() > end:
                raise LabError(f"{self.name}: not within {seconds} s: {what}\n{output}")
            time.sleep(0.2)

    def _line(self, end, what):
        while b"\n" not in self.pending:
            self._more(end, what)
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode(errors="replace")

    def _more(self, end, what):
        self.sock.settimeout(1)
        try:
            got = self.sock.recv(65536)
        except TimeoutError:
            got = None
        except ConnectionError:
            got = b""
        if got:
            self.pending += got
            return
        self.check()
        if got is not None or time.monotonic() > end:
            raise LabError(f"{self.name}: no reply to {what}; the console:\n{self.console()[-3000:]}")

    def healthy(self):
        """Whether the kernel has printed no oops, warning or stall on the console."""
        return not re.search(r"BUG:|WARNING:|Oops|rcu_.*stall|soft lockup|Call Trace", self.console())

    def stop(self):
        """End QEMU now."""
        if self.sock:
            self.sock.close()
        super().stop()


def initramfs(lab, name, kernel, files, tools, modules):
    """Pack an initramfs; returns its path."""
    root, target = lab.path(f"{name}.d"), lab.path(name)
    for folder in ("bin/busybox.d", "modules", "etc", "root", "tmp", "proc", "sys", "dev", "run", "usr/lib"):
        os.makedirs(f"{root}/{folder}")
    os.symlink("../bin", f"{root}/usr/bin")
    os.symlink("../bin", f"{root}/usr/sbin")
    os.symlink("bin", f"{root}/sbin")
    for tool in tools:
        _with_libraries(shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"), tool, root)
    shutil.copy2(f"{unpacked('busybox-static')}/bin/busybox", f"{root}/bin/busybox")
    os.symlink("dash", f"{root}/bin/sh")
    order = []
    for module in modules:
        module, _, options = module.partition(" ")
        for path in kernel.modules([module]):
            file = unpack_module(path, f"{root}/modules")
            if not any(line.split()[0] == file for line in order):
                order.append(f"{file} {options if file.startswith(module) else ''}".strip())
    _write(f"{root}/modules/order", "".join(line + "\n" for line in order))
    _write(f"{root}/etc/passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    _write(f"{root}/etc/group", "root:x:0:\nnogroup:x:65534:\n")
    _write(f"{root}/init", INIT)
    os.chmod(f"{root}/init", 0o755)
    for path, source in files.items():
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        shutil.copy2(source, root + path)
    with open(target, "wb") as out:
        names = subprocess.Popen(["find", "."], cwd=root, stdout=subprocess.PIPE)
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=root, stdin=names.stdout, stdout=out,
                       check=True)
        names.wait()
    shutil.rmtree(root)
    return target


def _write(path, text):
    with open(path, "w") as file:
        file.write(text)


def _with_libraries(path, tool, root):
    """Copy a program of the host and the libraries that the loader would find for it."""
    if path is None:
        raise LabError(f"{tool} is not installed")
    shutil.copy2(path, f"{root}/bin/{tool}")
    done = subprocess.run(["ldd", path], capture_output=True, text=True)
    for word in done.stdout.split():
        if word.startswith("/") and os.path.exists(word):
            os.makedirs(root + os.path.dirname(word), exist_ok=True)
            if not os.path.exists(root + word):
                shutil.copy2(word, root + word)
