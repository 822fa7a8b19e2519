"""The appliance in a virtual machine: its images, the firmware that boots them, a cloud-init drive, a cable to a namespace.

The machine looks as Proxmox makes it: virtio-scsi for the disk, an IDE CD drive for cloud-init, virtio-net, i6300esb, a
guest agent's channel, VGA and a serial console.
"""

import base64
import json
import os
import re
import shutil
import time

import client
from kernels import ROOT, unpacked
from lab import LabError, sh, wait_until
from vm import Machine

OUT = f"{ROOT}/target/appliance"
MAC, SERVER4, SERVER6 = "bc:24:11:aa:00:01", "10.53.0.2", "fd53::2"
KERNEL = 0xFFFF_FFFF_8000_0000  # where Linux lies in a processor's address space, and nothing before it
CLIENT4, CLIENT6 = "10.53.0.1", "fd53::1"
# network-config as Proxmox writes it (PVE::QemuServer::Cloudinit, nocloud).
NETWORK = f"""version: 1
config:
    - type: physical
      name: eth0
      mac_address: '{MAC}'
      subnets:
      - type: static
        address: '{SERVER4}'
        netmask: '255.255.255.0'
        gateway: '{CLIENT4}'
      - type: static6
        address: '{SERVER6}/64'
        gateway: '{CLIENT6}'
    - type: nameserver
      address:
      - '{CLIENT4}'
      search:
      - 'example.net'
"""
USER = """#cloud-config
hostname: dns1
manage_etc_hosts: true
fqdn: dns1.example.net
chpasswd:
  expire: False
users:
  - default
package_upgrade: true
"""


def cidata(lab, name, network=NETWORK, user=USER, instance="1b2d9f"):
    """A NoCloud drive as Proxmox makes it (genisoimage, the same options); returns its path."""
    folder, image = lab.path(f"{name}.d"), lab.path(f"{name}.iso")
    os.makedirs(folder)
    for file, text in (("user-data", user), ("network-config", network), ("meta-data", f"instance-id: {instance}\n"),
                       ("vendor-data", "")):
        with open(f"{folder}/{file}", "w") as out:
            out.write(text)
    sh("genisoimage", "-quiet", "-iso-level", "3", "-R", "-V", "cidata", "-o", image, folder)
    return image


class Appliance(Machine):
    """A virtual machine for one of the images; `ns` is the namespace at the other end of its cable (interface `tap`)."""

    def __init__(self, lab, ns, name, memory=192, cpus=1, queues=1):
        super().__init__(lab, name, memory, cpus)
        self.ns, self.queues = ns, queues
        self.add("-vga", "std", "-device", "virtio-scsi-pci,id=scsi", "-device", "i6300esb", "-watchdog-action", "reset",
                 "-device", "virtio-balloon-pci")
        self.agent = self.channel("org.qemu.guest_agent.0")

    def uefi(self):
        """UEFI instead of SeaBIOS: OVMF, with variables of its own."""
        folder = f"{unpacked('ovmf')}/usr/share/OVMF"
        variables = self.lab.path(f"{self.name}.vars")
        shutil.copyfile(f"{folder}/OVMF_VARS_4M.fd", variables)
        self.firmware(f"{folder}/OVMF_CODE_4M.fd", variables)

    def secure_boot(self):
        """UEFI that starts nothing unsigned: Microsoft's keys, as Proxmox's pre-enrolled-keys has them."""
        folder = f"{unpacked('ovmf')}/usr/share/OVMF"
        variables = self.lab.path(f"{self.name}.vars")
        shutil.copyfile(f"{folder}/OVMF_VARS_4M.ms.fd", variables)
        self.add("-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on")
        self.firmware(f"{folder}/OVMF_CODE_4M.secboot.fd", variables)

    def i440fx(self):
        """The older board, which Proxmox gives a machine unless told otherwise, with the USB tablet it adds."""
        self.add("-machine", "pc", "-device", "piix3-usb-uhci,id=usb1", "-device", "usb-tablet,bus=usb1.0")

    def boot_from(self, way, image=None):
        """`cd`, `usb` and `iso-disk` take the ISO, `disk` takes a copy of the qcow2 so that it stays as it was built."""
        image = image or f"{OUT}/runbound.{'qcow2' if way == 'disk' else 'iso'}"
        if way == "cd":
            self.cdrom(image, boot=0)
        elif way == "disk":
            self.drive(self.overlay(image), "scsi-hd", "qcow2", boot=0)
        elif way == "usb":
            self.add("-device", "qemu-xhci,id=usb")
            self.drive(image, "usb-storage", snapshot=True, boot=0)
        else:
            self.drive(image, "scsi-hd", snapshot=True, boot=0)

    def direct(self, disk=None, words="", screen=False):
        """The ISO's kernel and initramfs without its boot loader, the log on the serial console unless it is the screen.
        `disk` is a qcow2 that takes the writes to the image's disk, its data partition among them; it outlives the machine."""
        for place in ("runbound/vmlinuz", "runbound/initrd", "EFI/debian/grub.cfg"):
            path = f"{self.lab.directory}/{os.path.basename(place)}"
            if not os.path.exists(path):
                sh("xorriso", "-osirrox", "on", "-indev", f"{OUT}/runbound.iso", "-extract", f"/{place}", path)
        if disk:
            if not os.path.exists(disk):
                sh("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", f"{OUT}/runbound.qcow2", disk)
            self.drive(disk, "scsi-hd", "qcow2")
        self.kernel(f"{self.lab.directory}/vmlinuz", f"{self.lab.directory}/initrd",
                    f"console=ttyS0 {self.image_words()} {'' if screen else 'runbound.log'} {words}")

    def image_words(self):
        """The kernel's command line of the image, but for the consoles."""
        with open(f"{self.lab.directory}/grub.cfg") as file:
            words = re.search(r"^\s*linux \S+ (.*)", file.read(), re.M).group(1).split()
        return " ".join(word for word in words if not word.startswith("console="))

    def overlay(self, image):
        """A qcow2 that takes the writes to an image; returns its path. It outlives the machine."""
        path = self.lab.path(f"{self.name}.qcow2")
        if not os.path.exists(path):
            sh("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image, path)
        return path

    def cable(self, interface="tap", mac=MAC, model="virtio-net-pci", addresses=(f"{CLIENT4}/24", f"{CLIENT6}/64")):
        """A network card; its other end is an interface of the namespace, with these addresses."""
        self.slots += 1
        number, queues = self.slots, self.queues if model.startswith("virtio") else 1
        multi = ["multi_queue"] if queues > 1 else []
        if interface not in self.ns.run("ls", "/sys/class/net").split():
            self.ns.run("ip", "tuntap", "add", "dev", interface, "mode", "tap", *multi)
            for address in addresses:
                self.ns.ip("address", "add", address, "dev", interface, *(["nodad"] if ":" in address else []))
            self.ns.ip("link", "set", interface, "up")
        more = ",rx_queue_size=1024,tx_queue_size=256" if model.startswith("virtio") else ""
        more += f",mq=on,vectors={2 * queues + 2}" if queues > 1 else ""
        self.add("-netdev", f"tap,id=net{number},ifname={interface},script=no,downscript=no,queues={queues}",
                 "-device", f"{model},id=nic{number},netdev=net{number},mac={mac},romfile={more}")

    def start(self):
        """Start QEMU in the namespace that holds the cables' other ends."""
        with self.ns.inside():
            super().start()

    def wait_kernel(self, seconds):
        """Wait until the kernel runs, which the first processor's instruction pointer tells; returns that moment."""
        def runs():
            self.check()
            registers = self.qmp("human-monitor-command", **{"command-line": "info registers"})
            found = re.search(r"^RIP=([0-9a-f]+)", registers, re.M)
            return found and int(found.group(1), 16) >= KERNEL
        wait_until(runs, seconds, f"{self.name}: the firmware and GRUB start the kernel:\n{self.console()[-1000:]}", pause=0.03)
        return time.monotonic()

    def ask_agent(self, command, arguments=None, reply=True, seconds=15):
        """A command of the guest agent, sent as Proxmox does it: behind a delimited sync. Returns what it returns."""
        with self.connect(self.agent) as sock, sock.makefile("rwb") as file:
            sock.settimeout(seconds)
            number = int(time.monotonic() * 1000) & 0x7FFFFFFF
            for name, words in (("guest-sync-delimited", {"id": number}), (command, arguments or {})):
                file.write(json.dumps({"execute": name, "arguments": words}).encode() + b"\n")
            file.flush()
            line = file.readline()
            while line and json.loads(line.rpartition(b"\xff")[2] or b"{}").get("return") != number:
                line = file.readline()
            if not reply:
                return None  # a machine that is told to go may be gone before it has said that it heard
            if not line:
                raise LabError(f"{self.name}: {command}: the guest agent's channel ended")
            answer = json.loads(file.readline())
        if "error" in answer:
            raise LabError(f"{self.name}: {command}: {answer['error']['desc']}")
        return answer["return"]

    def control(self, *words):
        """What `qm guest exec VMID -- unbound-control WORDS` prints."""
        return self.guest_exec("unbound-control", *words)

    def guest_exec(self, program, *words, stdin=None, seconds=30):
        """What `qm guest exec VMID -- PROGRAM WORDS` prints, by the commands that it sends."""
        sent = {"path": program, "arg": list(words), "capture-output": True}
        if stdin is not None:
            sent["input-data"] = base64.b64encode(stdin).decode()
        started = self.ask_agent("guest-exec", sent)
        def ended():
            status = self.ask_agent("guest-exec-status", {"pid": started["pid"]})
            return status if status["exited"] else None
        status = wait_until(ended, seconds, f"{self.name}: {program} {' '.join(words)}", pause=0.1)
        return base64.b64decode(status.get("out-data") or status.get("err-data") or "").decode()

    def first_answer(self, address=SERVER4, name="localhost.", seconds=120):
        """Ask until there is an answer; returns (reply, moment of it by the host's clock)."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check()
            reply = client.ask(self.ns, address, name, timeout=0.1)
            if reply is not None:
                return reply, time.monotonic()
        raise LabError(f"{self.name}: no answer from {address} in {seconds} s; the console:\n{self.console()[-3000:]}")
