#!/usr/bin/env python3
"""A stand-in for a Proxmox host: qm, pvesm, pvesh, ha-manager, pveversion, lvchange and logger, with machines that have disks
and are on or off. It takes the options that the real ones take (as their sources have them) and no others.

A machine that is on runs what is on its disk: its guest agent answers when MiB 2 begins with `runbound VERSION`.

HOST_FAILS: what a command begins with that fails; HOST_WARNS: each warns of something and succeeds, as in any locale but C.
"""

import fcntl
import json
import os
import stat
import subprocess
import sys
import tempfile

# Options of each command; a number is how many words stand before them.
MACHINE = {"name", "ostype", "cpu", "cores", "memory", "net0", "scsihw", "serial0", "vga", "agent", "rng0", "watchdog", "onboot",
           "bios", "machine", "efidisk0", "scsi0", "ide2", "boot", "ipconfig0", "nameserver"}
NET = {"bridge", "queues", "tag", "mtu", "firewall"}
COMMANDS = {
    "qm create": (1, MACHINE), "qm set": (1, MACHINE), "qm config": (1, {"current", "snapshot"}), "qm status": (1, {"verbose"}),
    "qm start": (1, {"timeout", "skiplock"}), "qm shutdown": (1, {"timeout", "keepActive", "forceStop"}),
    "qm wait": (1, {"timeout"}), "qm template": (1, {"disk"}), "pvesm path": (1, set()),
    "pvesh create": (1, {"type", "action", "macro", "enable", "source", "comment"}),
    "pvesh set": (1, {"enable", "policy_in", "policy_out", "ndp", "dhcp"}),
    "ha-manager add": (1, {"state", "group"}), "ha-manager groupadd": (1, {"nodes"}),
    "ha-manager rules add": (2, {"resources", "nodes", "strict"}),
}
TOOLS = ("qm", "pvesm", "pvesh", "ha-manager", "pveversion", "lvchange", "logger")
# What Perl says in a locale that the host has not.
WARNING = "perl: warning: Setting locale failed.\nperl: warning: Falling back to the standard locale (\"C\").\n"


class Refusal(Exception):
    """What a command says before it fails."""


class Commands:
    """The commands, on the state that a file holds."""

    def __init__(self, state):
        self.state = state

    def run(self, words):
        """Run a command; returns what it prints."""
        if words[0] == "pveversion":
            return f"pve-manager/{self.state['pve']}.1.2/0123456789abcdef (running kernel: 6.14.8-2-pve)\n"
        if words[0] == "lvchange":
            return self.activate(words[1:])
        if words[0] == "logger":
            return self.logger(words[1:])
        if words[:3] == ["qm", "guest", "exec"]:
            return self.guest(words[3:])
        for length in (3, 2):
            name = " ".join(words[:length])
            if name in COMMANDS:
                places, options = self.read(words[length:], *COMMANDS[name])
                return getattr(self, name.replace(" ", "_").replace("-", "_"))(places, options) or ""
        raise Refusal(f"ERROR: unknown command '{' '.join(words[:2])}'")

    def read(self, words, count, known):
        places, options, rest = words[:count], {}, iter(words[count:])
        if len(places) < count or any(word.startswith("-") for word in places):
            raise Refusal("400 not enough arguments")
        for word in rest:
            if word.lstrip("-") not in known or not word.startswith("--"):
                raise Refusal(f"Unknown option: {word.lstrip('-')}\n400 unable to parse option")
            options[word[2:]] = next(rest)
        return places, options

    def machine(self, vmid):
        if vmid not in self.state["machines"]:
            raise Refusal(f"Configuration file 'nodes/pve/qemu-server/{vmid}.conf' does not exist")
        return self.state["machines"][vmid]

    def off(self, vmid, doing):
        machine = self.machine(vmid)
        if machine["config"].get("lock"):
            raise Refusal(f"VM is locked ({machine['config']['lock']})")
        if machine["running"]:
            raise Refusal(f"VM {vmid} already running: {doing}")
        return machine

    # --- qm ------------------------------------------------------------------------------------------------------------

    def qm_create(self, places, options):
        if places[0] in self.state["machines"]:
            raise Refusal(f"unable to create VM {places[0]} - VM {places[0]} already exists on node 'pve'")
        self.state["machines"][places[0]] = {"config": {}, "running": False}
        self.qm_set(places, options)

    def qm_set(self, places, options):
        for part in options.get("net0", "virtio").split(",")[1:]:
            if part.partition("=")[0] not in NET:
                raise Refusal(f"400 Parameter verification failed.\nnet0: invalid format - {part}")
        self.machine(places[0])["config"].update(options)

    def qm_config(self, places, _options):
        return "".join(f"{key}: {value}\n" for key, value in sorted(self.machine(places[0])["config"].items()))

    def qm_status(self, places, _options):
        return f"status: {'running' if self.machine(places[0])['running'] else 'stopped'}\n"

    def qm_start(self, places, _options):
        machine = self.off(places[0], "start")
        if machine["config"].get("template"):
            raise Refusal("you can't start a vm if it's a template")
        self.each_lvm(places[0], activate=True)
        machine["running"] = True

    def qm_shutdown(self, places, options):
        machine = self.machine(places[0])
        if f"vm:{places[0]}" in self.state["ha"]:
            machine["asked"] = True  # ha-manager does it in its time, and keeps no volume active
            return
        machine["running"] = False
        self.each_lvm(places[0], activate=options.get("keepActive") == "1")

    def qm_wait(self, places, _options):
        machine = self.machine(places[0])
        if machine.pop("asked", False):
            machine["running"] = False
            self.each_lvm(places[0], activate=False)
        if machine["running"]:
            raise Refusal("wait failed - got timeout")

    def qm_template(self, places, _options):
        self.off(places[0], "you can't convert a VM to template if VM is running")["config"]["template"] = 1

    def guest(self, words):
        vmid, rest = words[0], words[1:]
        if "--" not in rest or rest[:rest.index("--")] not in ([], ["--timeout", "10"]):
            raise Refusal("Unknown option")
        machine = self.machine(vmid)
        path = self.path(machine["config"]["scsi0"].split(",")[0])
        system = b"" if not os.path.exists(path) else first_of_system(path)
        if not machine["running"] or not system.startswith(b"runbound "):
            raise Refusal("QEMU guest agent is not running")
        text = f"version: {system.split()[1].decode()}\nverbosity: 1\n"
        return json.dumps({"exitcode": 0, "exited": 1, "out-data": text}, indent=3).replace('":', '" :') + "\n"

    # --- volumes -------------------------------------------------------------------------------------------------------

    def path(self, volume):
        if not self.state["volumes"].get(volume):
            raise Refusal(f"unable to parse volume ID '{volume}'")
        return self.state["volumes"][volume]

    def pvesm_path(self, places, _options):
        return self.path(places[0]) + "\n"

    def each_lvm(self, vmid, activate):
        for volume, path in self.state["volumes"].items():
            if f"vm-{vmid}-" in volume and path in self.state["lvm"]:
                if activate and not os.path.lexists(path):
                    os.symlink(self.state["lvm"][path], path)
                if not activate and os.path.lexists(path):
                    os.unlink(path)

    def activate(self, words):
        if words[:-1] not in (["-ay", "-K"], ["-an"]) or words[-1] not in self.state["lvm"]:
            raise Refusal(f"  Failed to find logical volume \"{words[-1]}\"")
        if words[0] == "-an":
            os.unlink(words[-1])
        elif not os.path.lexists(words[-1]):
            os.symlink(self.state["lvm"][words[-1]], words[-1])
        return ""

    def logger(self, words):
        if words[:1] != ["-t"] or words[2] != "--":
            raise Refusal("logger: unrecognized option")
        self.state["syslog"].append(words[3])
        return ""

    # --- firewall, ha ----------------------------------------------------------------------------------------------------

    def firewall(self, place, end):
        _, nodes, node, qemu, vmid, what, last = place.split("/")
        if (nodes, node, qemu, what, last) != ("nodes", "localhost", "qemu", "firewall", end):
            raise Refusal(f"No '{place}' resource")
        self.machine(vmid)
        return self.state["firewall"].setdefault(vmid, {"rules": [], "options": {}})

    def pvesh_create(self, places, options):
        if options.get("macro") not in ("DNS", "Ping") or options.get("type") != "in" or options.get("action") != "ACCEPT":
            raise Refusal("400 Parameter verification failed.")
        self.firewall(places[0], "rules")["rules"].append(options["macro"])

    def pvesh_set(self, places, options):
        self.firewall(places[0], "options")["options"].update(options)

    def ha_manager_add(self, places, options):
        self.machine(places[0].removeprefix("vm:"))
        if "group" in options and (self.state["pve"] >= 9 or options["group"] not in self.state["groups"]):
            raise Refusal("ha group does not exist, or ha groups have been migrated to rules")
        self.state["ha"][places[0]] = options

    def ha_manager_groupadd(self, places, options):
        if self.state["pve"] >= 9:
            raise Refusal("ha groups have been migrated to rules")
        self.state["groups"][places[0]] = options["nodes"]

    def ha_manager_rules_add(self, places, options):
        if self.state["pve"] < 9:
            raise Refusal("ERROR: unknown command 'ha-manager rules'")
        if places[0] != "node-affinity" or options["resources"] not in self.state["ha"]:
            raise Refusal("400 Parameter verification failed.")
        self.state["groups"][places[1]] = options["nodes"]


def first_of_system(path):
    """The first octets of MiB 2 of a disk in any form."""
    driver = "driver=host_device" if stat.S_ISBLK(os.stat(path).st_mode) else "driver=file"
    node = f"file.driver=qcow2,file.file.{driver},file.file" if path.endswith(".qcow2") else f"file.{driver},file"
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["qemu-img", "convert", "-O", "raw", "--image-opts",
                        f"driver=raw,offset={2 << 20},size=512,{node}.filename={path}", file.name], check=True)
        return file.read(64)


class Host:
    """The tools of a host in a folder of their own, for a PATH; what the machines are is read and set by `state()`."""

    def __init__(self, lab, name="host", pve=9):
        self.folder = lab.path(name)
        os.makedirs(f"{self.folder}/bin")
        self.file = f"{self.folder}/state"
        for tool in TOOLS:
            with open(f"{self.folder}/bin/{tool}", "w") as file:
                file.write(f'#!/bin/sh\nexec {sys.executable} {os.path.abspath(__file__)} {self.file} {tool} "$@"\n')
            os.chmod(f"{self.folder}/bin/{tool}", 0o755)
        self.put({"pve": pve, "machines": {}, "volumes": {}, "lvm": {}, "ha": {}, "groups": {}, "firewall": {}, "log": [], "syslog": [],
                  "locked": []})
        self.environment = {"PATH": f"{self.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "RUNBOUND_COPIES": f"{self.folder}/copies"}

    def state(self):
        with open(self.file) as file:
            return json.load(file)

    def put(self, state):
        with open(self.file, "w") as file:
            json.dump(state, file)

    def machine(self, vmid, volume, path, running=True, lvm=None, **config):
        """A machine with a disk; `lvm` is the device that is behind `path` while the volume is active."""
        state = self.state()
        state["machines"][vmid] = {"config": {"scsi0": f"{volume},discard=on,size=131M", "ide2": f"local:{vmid}/cloudinit.iso,media=cdrom",
                                              "net0": "virtio=BC:24:11:AA:00:01,bridge=vmbr0", **config}, "running": running}
        state["volumes"][volume] = path
        if lvm:
            state["lvm"][path] = lvm
        self.put(state)

    def ran(self):
        """The commands since the last call."""
        state = self.state()
        log, state["log"] = state["log"], []
        self.put(state)
        return log


def inherited():
    """The files that this process was started with."""
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:  # that of the listing
            pass
    return names


def main(file, words):
    with open(file, "r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        state = json.load(held)
        state["log"].append(words)
        if any(".lock-" in name for name in inherited()):
            state["locked"].append(words)
        warns = "HOST_WARNS" in os.environ or ("LC_MESSAGES" in os.environ and os.environ.get("LC_ALL") != "C")
        status, text, error = 0, "", WARNING if warns and words[0] != "logger" else ""
        try:
            if " ".join(words).startswith(os.environ.get("HOST_FAILS", "-")):
                raise Refusal("it fails as it was told")
            text = Commands(state).run(words)
        except Refusal as refusal:
            status, error = 255, f"{error}{refusal}\n"
        held.seek(0)
        held.truncate()
        json.dump(state, held)
    sys.stdout.write(text)
    sys.stderr.write(error)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
