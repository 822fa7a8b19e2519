"""The initramfs: our programs, kernel modules. The same input gives the same octets."""

import lzma
import os
import re
import stat

# What is built, and where it goes.
PROGRAMS = {"runbound-init": "init", "runbound": "bin/runbound"}
FOLDERS = ["bin", "data", "dev", "etc", "etc/runbound", "proc", "run", "sys", "tmp", "var", "var/log"]


# --- modules -------------------------------------------------------------------------------------------------------


def read_module_list(path):
    """`appliance/modules` as {name: names to be loaded before it}, and the names that stay compressed."""
    wanted, packed = {}, set()
    with open(path) as file:
        for line in file:
            name, _, before = line.partition("#")[0].partition(":")
            name = name.strip()
            if name.endswith(".xz"):
                name = name.removesuffix(".xz")
                packed.add(_canonical(name))
            if name:
                wanted[_canonical(name)] = [_canonical(other) for other in before.split()]
    return wanted, packed


def install_modules(wanted, packed, kernel_tree, release, rootfs, run_tool):
    """Copy the wanted modules and what they need, and index them. Those in `packed`, and what only they need, stay
    compressed: the kernel unpacks them when they are loaded."""
    source, target = (os.path.join(tree, "lib/modules", release) for tree in (kernel_tree, rootfs))
    run_tool("depmod", "-b", kernel_tree, release)
    needs = _read_dep(os.path.join(source, "modules.dep"))
    with open(os.path.join(source, "modules.builtin")) as file:
        builtin = {_module_name(line.strip()) for line in file}
    chosen, plain = set(), set()
    for name, others in wanted.items():
        for each in (name, *others):
            if each in needs:
                chosen.update([each, *needs[each][1]])
                if name not in packed:
                    plain.update([each, *needs[each][1]])
            elif each not in builtin:
                raise SystemExit(f"appliance/modules: the kernel has no module {each}")
    for name in sorted(chosen):
        path = needs[name][0]
        os.makedirs(os.path.dirname(os.path.join(target, path)), exist_ok=True)
        with open(os.path.join(source, path), "rb") as file:
            data = file.read()
        if name in plain and path.endswith(".xz"):
            path, data = path.removesuffix(".xz"), lzma.decompress(data)
        with open(os.path.join(target, path), "wb") as file:
            file.write(data)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        os.link(os.path.join(source, name), os.path.join(target, name))
    run_tool("depmod", "-b", rootfs, release)
    _keep_indexes(target, wanted)


def _keep_indexes(target, wanted):
    """Of depmod's files only modules.dep (with what must be loaded before) and modules.alias are read by PID 1."""
    path = os.path.join(target, "modules.dep")
    needs = _read_dep(path)
    lines = []
    for name, (where, after) in sorted(needs.items()):
        order = list(after)  # the last one is loaded first
        for early in (other for each in [name, *after] for other in wanted.get(each, []) if other in needs):
            order += [other for other in [early, *needs[early][1]] if other not in order]
        lines.append(f"{where}: {' '.join(needs[other][0] for other in order)}".rstrip() + "\n")
    for entry in os.listdir(target):
        if entry.startswith("modules.") and entry not in ("modules.alias", "modules.builtin"):
            os.unlink(os.path.join(target, entry))
    with open(path, "w") as file:
        file.writelines(lines)


def _read_dep(path):
    """modules.dep as {name: (path, [names it needs, last to be loaded first])}."""
    out = {}
    with open(path) as file:
        for line in file:
            where, _, rest = line.partition(":")
            out[_module_name(where)] = (where, [_module_name(other) for other in rest.split()])
    return out


def _module_name(path):
    return _canonical(re.sub(r"\.ko(\.xz)?$", "", os.path.basename(path)))


def _canonical(name):
    return name.replace("-", "_")


# --- cpio ----------------------------------------------------------------------------------------------------------


class Cpio:
    """A `newc` archive: entries in the order they are added, one time for all, inodes counted from one."""

    def __init__(self, mtime):
        self.mtime = mtime
        self.parts = []
        self.inode = 0

    def _add(self, name, mode, data=b"", device=(0, 0)):
        self.inode += 1
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = [self.inode, mode, 0, 0, links, self.mtime, len(data), 0, 0, *device, len(name) + 1, 0]
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        for part in (header, data):
            self.parts.append(part + bytes(-len(part) % 4))

    def folder(self, name):
        self._add(name, stat.S_IFDIR | (0o1777 if name == "tmp" else 0o755))

    def file(self, name, data, mode=0o644):
        self._add(name, stat.S_IFREG | mode, data)

    def character_device(self, name, major, minor, mode=0o600):
        self._add(name, stat.S_IFCHR | mode, device=(major, minor))

    def finish(self):
        self.inode = -1
        mtime, self.mtime = self.mtime, 0
        self._add("TRAILER!!!", 0)
        self.mtime = mtime
        return b"".join(self.parts)


def archive(rootfs, mtime):
    """The folder as a cpio archive: sorted, owned by root, programs and folders 0755, else 0644, and /dev/console."""
    cpio = Cpio(mtime)
    for folder, folders, files in os.walk(rootfs):
        folders.sort()
        here = os.path.relpath(folder, rootfs)
        if here != ".":
            cpio.folder(here)
        for name in sorted(files):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                cpio.file(os.path.normpath(os.path.join(here, name)), file.read(), 0o755 if os.access(path, os.X_OK) and
                          os.stat(path).st_mode & 0o100 else 0o644)
    cpio.character_device("dev/console", 5, 1)
    return cpio.finish()
