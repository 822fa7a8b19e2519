"""A virtual machine that boots a whole Debian with systemd, from a disk image that is made once and never written to.

debootstrap makes a small Debian 13 under target/vm/debian, mke2fs an ext4 image of it, without mounting anything. The kernel
and an initramfs come from outside; the initramfs puts the test's files onto the disk, whose writes are forgotten at the end,
and hands over to systemd. `rm -r target/vm/debian` makes it anew.
"""

import fcntl
import os
import shutil
import zlib

from guest import INIT, Guest, initramfs
from kernels import CACHE, kernel
from lab import sh
from vm import Machine

SUITE, MIRROR = "trixie", "http://deb.debian.org/debian"
PACKAGES = "systemd-sysv,udev,dbus,iproute2,ifupdown2,ethtool,procps,kmod,openvswitch-switch"
MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "ext4", "af_packet", "8021q", "bridge", "veth")

TO_DISK = """#!/bin/dash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/bin/busybox.d
busybox mkdir -p /proc /sys /dev /disk
busybox mount -t proc proc /proc
busybox --install -s /bin/busybox.d
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
while read -r module options; do
    insmod "/modules/$module" $options || echo "insmod $module: failed"
done < /modules/order
until [ -b /dev/vda ]; do sleep 0.05; done
mount -t ext4 /dev/vda /disk
cp -a /files/. /disk/
for place in proc sys dev; do mount --move /$place /disk/$place; done
exec busybox switch_root /disk /sbin/init
"""
AGENT_UNIT = """[Unit]
Description=Takes the commands of the test
After=networking.service dbus.service systemd-tmpfiles-setup.service

[Service]
ExecStart=/bin/dash /test/agent
"""
# The loop of the guest without systemd, from the place where it looks for its port.
AGENT = "#!/bin/dash\nexport PATH=/usr/sbin:/usr/bin HOME=/root LANG=C\n" + INIT[INIT.index("cd /root\n"):]


class DebianGuest(Guest):
    """A machine with Debian and systemd, taking commands as Guest does once it is up."""

    def __init__(self, lab, name, kernel, files=None, memory=768, cpus=2, modules=()):
        """`files`: {path in the guest: path here}, put there before systemd starts, with their modes. `modules`: further ones."""
        Machine.__init__(self, lab, name, memory, cpus)
        self.linux, self.number, self.sock = kernel, 0, None
        self.agent_path = self.channel("agent")
        self.drive(image(), snapshot=True)
        ours = {"/init": program(lab, f"{name}.init", TO_DISK), "/files/test/agent": program(lab, f"{name}.agent", AGENT),
                "/files/etc/systemd/system/agent.service": lab.write(f"{name}.unit", AGENT_UNIT)}
        ours |= {f"/files{path}": source for path, source in (files or {}).items()}
        initrd = initramfs(lab, f"{name}.initrd", kernel, ours, ("dash",), (*MODULES, *modules))
        self.kernel(kernel.image, initrd, "console=ttyS0 loglevel=4 mitigations=off nokaslr panic=-1 random.trust_cpu=on "
                    "net.ifnames=0 rdinit=/init tsc=reliable systemd.mask=serial-getty@ttyS0.service systemd.wants=agent.service")


def program(lab, name, text):
    """An executable file of the lab."""
    path = lab.write(name, text)
    os.chmod(path, 0o755)
    return path


def image():
    """The disk image, made first when it is not there."""
    folder = f"{CACHE}/debian"
    os.makedirs(folder, exist_ok=True)
    disk = f"{folder}/{SUITE}-{zlib.crc32(PACKAGES.encode()):08x}.ext4"
    with open(f"{folder}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(disk):
            root, part = f"{folder}/{SUITE}.d", f"{disk}.part"
            shutil.rmtree(root, ignore_errors=True)
            sh("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, root, MIRROR, timeout=900)
            prepare(root)
            sh("truncate", "-s", "1200M", part)
            sh("mke2fs", "-q", "-t", "ext4", "-d", root, part, timeout=300)
            shutil.rmtree(root)
            os.rename(part, disk)
    return disk


def prepare(root):
    """What a boot without questions wants, and no more than it needs."""
    for path, text in (("etc/machine-id", "5d6e1d6a3c5b4f2a9a57d0c1b2e3f405\n"), ("etc/hostname", "guest\n"), ("etc/fstab", ""),
                       ("etc/resolv.conf", "nameserver 192.0.2.1\n"),
                       ("etc/network/interfaces", "auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/*\n")):
        with open(f"{root}/{path}", "w") as file:
            file.write(text)
    # A test that wants a daemon starts it.
    os.unlink(f"{root}/etc/systemd/system/multi-user.target.wants/openvswitch-switch.service")
    for folder in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(f"{root}/{folder}", ignore_errors=True)


if __name__ == "__main__":
    kernel("6.12")
    image()
