"""Debian's kernels for the virtual machines: fetched with apt into target/vm/ when they are not there yet.

apt gets its own configuration, sources and lists there: the host's sources stay as they are, and Debian 12 and 13 get
the same kernels. `rm -r target/vm/kernels` fetches the newest again.
"""

import fcntl
import functools
import glob
import lzma
import os
import re
import shutil
import subprocess

from lab import LabError, sh

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = f"{ROOT}/target/vm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Versions that a name stands for, as apt writes them. 6.1 is Debian 12's and Proxmox VE 8's oldest, 6.12 Debian 13's;
# `newest` is what Debian offers beyond, from backports.
KERNELS = {"6.1": r"6\.1\.", "6.12": r"6\.12\.", "newest": r"([7-9]|\d\d+|6\.(1[6-9]|[2-9]\d))\."}
SOURCES = f"""Types: deb
URIs: http://deb.debian.org/debian
Suites: bookworm trixie trixie-backports
Components: main
Signed-By: {KEYRING}

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: bookworm-security trixie-security
Components: main
Signed-By: {KEYRING}
"""


class Kernel:
    """An unpacked kernel: `image` is its vmlinuz, `release` what uname -r says, `root` holds lib/modules."""

    def __init__(self, root):
        images = glob.glob(f"{root}/boot/vmlinuz-*") + glob.glob(f"{root}/lib/modules/*/vmlinuz")
        releases = glob.glob(f"{root}/lib/modules/*")
        if len(images) != 1 or len(releases) != 1:
            raise LabError(f"{root}: want one kernel with its modules, found {images}, {releases}")
        self.root, self.image, self.release = root, images[0], os.path.basename(releases[0])

    def modules(self, names):
        """Files of the modules and of what they need, in loading order; those built in are left out."""
        files = []
        for name in names:
            command = ["modprobe", "-d", self.root, "-S", self.release, "--config", "/dev/null", "--show-depends", name]
            for line in sh(*command).splitlines():
                action, _, path = line.strip().partition(" ")
                if action == "insmod" and path.split()[0] not in files:
                    files.append(path.split()[0])
        return files


def unpack_module(path, target):
    """Copy a module, without its compression, into the folder `target`; returns its file name."""
    name = re.sub(r"\.(xz|zst)$", "", os.path.basename(path))
    with open(f"{target}/{name}", "wb") as out:
        if path.endswith(".xz"):
            with lzma.open(path) as packed:
                shutil.copyfileobj(packed, out)
        elif path.endswith(".zst"):
            subprocess.run(["zstd", "-q", "-d", "-c", path], stdout=out, check=True)
        else:
            with open(path, "rb") as plain:
                shutil.copyfileobj(plain, out)
    return name


def kernel(name):
    """The kernel that `name` of KERNELS stands for, fetched first when it is not there."""
    return Kernel(_cached(f"kernels/{name}", lambda environment: _kernel_packages(name, environment), _finish_kernel))


def unpacked(package):
    """The folder with the unpacked files of another package of Debian, fetched first when it is not there."""
    return _cached(f"packages/{package}", lambda _: [package], lambda root: None)


def _cached(name, choose, finish):
    root = f"{CACHE}/{name}"
    os.makedirs(os.path.dirname(root), exist_ok=True)
    with open(f"{root}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(root):
            part = f"{root}.part"
            shutil.rmtree(part, ignore_errors=True)
            os.makedirs(part)
            environment = _apt()
            for package in choose(environment):
                _run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package], environment, part)
            for archive in glob.glob(f"{part}/*.deb"):
                sh("dpkg", "-x", archive, part, timeout=300)
                os.unlink(archive)
            # Packages of Debian 13 hold /usr/bin and /usr/lib alone.
            for folder in ("bin", "lib"):
                if not os.path.exists(f"{part}/{folder}") and os.path.exists(f"{part}/usr/{folder}"):
                    os.symlink(f"usr/{folder}", f"{part}/{folder}")
            finish(part)
            os.rename(part, root)
    return root


def _finish_kernel(root):
    sh("depmod", "-b", root, Kernel(root).release, timeout=300)


def _kernel_packages(name, environment):
    """The image package of the newest version that matches, and those that hold its parts (from 7.x on there are four)."""
    text = _run(["apt-cache", "show", "linux-image-amd64"], environment)
    for stanza in text.split("\n\n"):  # the newest comes first
        version = re.search(r"^Version: (\S+)", stanza, re.M)
        image = re.search(r"\b(linux-image-\d\S*-amd64)\b", stanza)
        if version and image and re.match(KERNELS[name], version.group(1)):
            needs = _run(["apt-cache", "depends", image.group(1)], environment)
            return [image.group(1), *sorted(set(re.findall(r"Depends: (linux-(?:base|binary|modules)-\d\S*)", needs)))]
    raise LabError(f"Debian's archive has no linux-image-amd64 that matches {KERNELS[name]}")


@functools.cache
def _apt():
    """An apt of our own, its lists up to date; returns the environment that selects it."""
    base = f"{CACHE}/apt"
    for folder in ("lists/partial", "cache/archives/partial", "sources"):
        os.makedirs(f"{base}/{folder}", exist_ok=True)
    with open(f"{base}/sources/debian.sources", "w") as file:
        file.write(SOURCES)
    with open(f"{base}/apt.conf", "w") as file:
        file.write(f'Dir::State::lists "{base}/lists";\nDir::Cache "{base}/cache";\nDir::Etc::sourcelist "/dev/null";\n'
                   f'Dir::Etc::sourceparts "{base}/sources";\nDir::Etc::preferencesparts "/dev/null";\n'
                   'Acquire::Languages "none";\nAPT::Architecture "amd64";\n')
    environment = {**os.environ, "APT_CONFIG": f"{base}/apt.conf", "LC_ALL": "C"}
    with open(f"{CACHE}/apt.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "update"], environment)
    return environment


def _run(argv, environment, directory=None):
    done = subprocess.run(argv, env=environment, cwd=directory, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout
