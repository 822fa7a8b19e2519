"""Virtual machines: a QEMU process with its arguments, its console and its channels.

Add drives, pairs of network cards, firmware, channels, then start() it. guest.py has a machine that boots a kernel and
runs shell commands. There is no network to the outside: cards are joined by hubs within QEMU. A machine belongs to a
Lab, which ends its process and removes its files.

Environment: VM_ACCEL  what QEMU runs it with: tcg (default, the same on every machine) or kvm.
"""

import contextlib
import json
import os
import re
import socket
import subprocess

from lab import PATIENCE, LabError, Process, die_with_parent, wait_until

ACCEL = os.environ.get("VM_ACCEL", "tcg")
QEMU = "qemu-system-x86_64"
BOOTS = 3  # most of one machine, when the emulator fails


class MachineEnded(LabError):
    """The machine has ended, its kernel panicked, or the emulator failed: nothing more is to be expected of it."""


class Machine:
    """A QEMU process. Arguments gather in `arguments` until start(); console() is all the machine wrote to ttyS0."""

    def __init__(self, lab, name, memory=512, cpus=2):
        self.lab, self.name = lab, name
        lab.machines.append(self)
        self.process = None
        self.hubs = self.slots = self.drives = self.cdroms = 0
        self.console_path, self.console_socket = lab.path(f"{name}.console"), lab.path(f"{name}.tty")
        self.qmp_socket = lab.path(f"{name}.qmp")
        accel = "tcg,thread=multi" if ACCEL == "tcg" else ACCEL
        self.arguments = [
            "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-accel", accel,
            "-cpu", "host" if ACCEL == "kvm" else "max,la57=off", "-smp", str(cpus), "-m", str(memory), "-no-reboot",
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=tty,path={self.console_socket},server=on,wait=off,logfile={self.console_path}",
            "-serial", "chardev:tty", "-qmp", f"unix:{self.qmp_socket},server=on,wait=off"]

    def add(self, *arguments):
        """Further arguments of QEMU."""
        self.arguments += arguments

    def kernel(self, image, initrd=None, command_line=""):
        """Boot this kernel instead of a drive."""
        self.add("-kernel", image, "-append", command_line, *(["-initrd", initrd] if initrd else []))

    def firmware(self, code, variables=None):
        """Other firmware than SeaBIOS (UEFI): its read-only code, and a writable file with its variables."""
        self.add("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}")
        if variables:
            self.add("-drive", f"if=pflash,format=raw,unit=1,file={variables}")

    def drive(self, path, device="virtio-blk-pci", form="raw", snapshot=False, boot=None, serial=None):
        """A disk image. `snapshot`: what is written is forgotten at the end. `boot`: place in the firmware's order."""
        self.drives += 1
        more = (f",bootindex={boot}" if boot is not None else "") + (f",serial={serial}" if serial else "")
        self.add("-drive", f"if=none,id=drive{self.drives},format={form},file={path}" + (",snapshot=on" if snapshot else ""),
                 "-device", f"{device},id=disk{self.drives},drive=drive{self.drives}{more}")

    def cdrom(self, path, boot=None):
        """An ISO image in a CD drive, each on an IDE bus of its own."""
        self.drives += 1
        self.cdroms += 1
        self.add("-drive", f"if=none,id=drive{self.drives},media=cdrom,readonly=on,format=raw,file={path}",
                 "-device", f"ide-cd,id=cd{self.cdroms},bus=ide.{self.cdroms - 1},drive=drive{self.drives}"
                 + (f",bootindex={boot}" if boot is not None else ""))

    def eject(self, number):
        """Take the medium out of a CD drive of the running machine, as Proxmox does; drives count from 1."""
        self.qmp("eject", id=f"cd{number}", force=True)

    def insert(self, number, path):
        """Put another medium into a CD drive."""
        self.qmp("blockdev-change-medium", id=f"cd{number}", filename=path, format="raw")

    def unplug(self, number):
        """Take a disk away, waiting until the guest let it go; disks and CD drives count together from 1."""
        self.qmp("device_del", id=f"disk{number}")
        wait_until(lambda: not any(block.get("qdev", "").endswith(f"disk{number}") for block in self.qmp("query-block")), PATIENCE,
                   f"{self.name}: disk{number} is let go")

    def plug(self, path, device):
        """Attach a disk image to the running machine."""
        self.drives += 1
        self.qmp("blockdev-add", **{"driver": "raw", "node-name": f"drive{self.drives}", "file": {"driver": "file", "filename": path}})
        self.qmp("device_add", driver=device, id=f"disk{self.drives}", drive=f"drive{self.drives}")

    def nic(self, model, hub, mac, options=""):
        """A network card on the hub of that number; `options` as in `,mq=on`. Each has a root port, which igb wants."""
        self.slots += 1
        number = self.slots
        self.add("-device", f"pcie-root-port,id=root{number},chassis={number},slot={number}",
                 "-netdev", f"hubport,id=net{number},hubid={hub}",
                 "-device", f"{model},id=nic{number},netdev=net{number},bus=root{number},mac={mac},romfile={options}")

    def pair(self, model, left, right, options=""):
        """Two cards of a model on a hub of their own, as if joined by a cable; their MACs."""
        self.hubs += 1
        for mac in (left, right):
            self.nic(model, self.hubs, mac, options)

    def channel(self, name):
        """A virtio-serial port, /dev/virtio-ports/NAME where udev runs; returns the path of its socket here."""
        path = self.lab.path(f"{self.name}.{name}")
        self.add("-chardev", f"socket,id={name},path={path},server=on,wait=off",
                 "-device", f"virtserialport,chardev={name},name={name}")
        return path

    def start(self):
        """Start QEMU; it dies with this process."""
        log_path = self.lab.path(f"{self.name}.log")
        with open(log_path, "wb") as log:
            popen = subprocess.Popen([QEMU, "-name", self.name, *self.arguments], stdin=subprocess.DEVNULL, stdout=log,
                                     stderr=log, preexec_fn=die_with_parent, cwd=self.lab.directory)
        self.process = Process(popen, log_path)
        self.lab.processes.append(self.process)

    def start_until(self, ready):
        """Start it and return what `ready` does, which waits; again when the emulator failed meanwhile."""
        for _ in range(BOOTS):
            self.start()
            try:
                return ready()
            except LabError:
                fault = self.emulator_fault()
                if not fault:
                    raise
            print(f"{self.name}: {fault}", flush=True)
            self.stop()
        raise LabError(f"{self.name}: the emulator failed in {BOOTS} boots: {fault}")

    def emulator_fault(self):
        """What QEMU itself did wrong, if it did. Its emulation of several processors (seen with 10.0.2, on a busy host) fails
        an assertion in one boot of some hundred, and in one of some twenty the second processor's timer never fires, which
        the guest's kernel tells after 21 s; no program in the guest can bring about either."""
        if self.process is None:
            return None
        if not self.process.alive() and "Assertion" in (log := self.process.log()):
            return f"QEMU failed: {log.strip().splitlines()[-1]}"
        lost = re.search(r"\w+ kthread timer wakeup didn't happen.*", self.console())
        return f"QEMU lost timer interrupts of a processor ({lost.group(0)})" if lost else None

    def connect(self, path, seconds=PATIENCE):
        """A socket connected to a channel of the running machine."""
        return wait_until(lambda: self._try_connect(path), seconds, f"{self.name}: QEMU opens {path}")

    def _try_connect(self, path):
        self.check()
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(path)
            return sock
        except OSError:
            sock.close()
            return None

    def check(self):
        """MachineEnded, with what QEMU and the console said."""
        if fault := self.emulator_fault():
            raise MachineEnded(f"{self.name}: {fault}")
        self.check_panic()
        if not self.process.alive():
            raise MachineEnded(f"{self.name}: QEMU ended with {self.process.popen.returncode}: {self.process.log()[-1000:]}\n"
                           f"{self.console()[-3000:]}")

    def check_panic(self):
        """MachineEnded when the kernel panicked: an image's kernel starts anew ten seconds later, which ends QEMU as if the
        machine had been switched off."""
        if panic := re.search(r"Kernel panic - not syncing.*", self.console(), re.DOTALL):
            raise MachineEnded(f"{self.name}: {panic.group(0)[:3000]}")

    def console(self):
        """All that came over the serial console so far."""
        with contextlib.suppress(FileNotFoundError), open(self.console_path, errors="replace") as file:
            return file.read()
        return ""

    def wait_console(self, text, seconds):
        """Wait until the console has shown a text."""
        self.wait_for(lambda: text in self.console(), seconds, f"{text!r} on the console", pause=0.1)

    def wait_for(self, condition, seconds, what, pause=0.2):
        """wait_until() for what the running machine is to do: it ends when the machine does, and shows the console's end."""
        def met():
            self.check()
            return condition()
        try:
            return wait_until(met, seconds, f"{self.name}: {what}", pause)
        except MachineEnded:
            raise
        except LabError as error:
            raise LabError(f"{error}; the console's end:\n{self.console()[-3000:]}") from None

    def type(self, text):
        """Type on the serial console."""
        with self.connect(self.console_socket) as sock:
            sock.sendall(text.encode())

    def qmp(self, command, **arguments):
        """One command of QEMU's monitor (`system_powerdown`, `set_link` name=nic1 up=False, ...); its result."""
        with self.connect(self.qmp_socket) as sock, sock.makefile("rw") as file:
            sock.settimeout(PATIENCE)
            file.readline()  # the greeting
            for name, words in (("qmp_capabilities", {}), (command, arguments)):
                file.write(json.dumps({"execute": name, "arguments": words}) + "\n")
                file.flush()
                reply = json.loads(file.readline())
                while "event" in reply:
                    reply = json.loads(file.readline())
                if "error" in reply:
                    raise LabError(f"{self.name}: {name}: {reply['error']['desc']}")
        return reply["return"]

    def wait_end(self, seconds):
        """Wait until the machine has switched itself off; LabError when it does not."""
        if self.process.wait(seconds) is None:
            raise LabError(f"{self.name} still runs after {seconds} s:\n{self.console()[-2000:]}")
        self.check_panic()

    def stop(self):
        """End QEMU now."""
        if self.process:
            self.process.stop()
