"""Debian packages at pinned versions: what enters the image and the tools that make it.

`appliance/inputs` names each package with version, size and SHA-256. It is made from Debian's signed package lists
(`appliance/build --update-inputs`), and a build takes nothing that it does not name.
"""

import concurrent.futures
import hashlib
import lzma
import os
import re
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass

MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org").rstrip("/")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Later ones win: security updates are newer than the point release.
SUITES = [("debian", "trixie"), ("debian-security", "trixie-security")]
KERNEL = re.compile(r"linux-image-6\.(1[2-9]|[2-9]\d)\.[\w.]+\+deb13(\.\d+)?-amd64")
# What is unpacked into the image. Their dependencies are not: the image has no distribution.
IMAGE = ["grub-pc-bin", "grub-efi-amd64-signed", "shim-signed"]
DEBUG = ["busybox-static"]
# What makes the image, with all dependencies: the build runs these, not the host's, so that any host gives one result.
TOOLS = ["xorriso", "mtools", "dosfstools", "e2fsprogs", "fdisk", "grub-common", "kmod", "qemu-utils", "zstd"]
HEADER = """\
# Every Debian package the appliance is made of and made with. Written by `appliance/build --update-inputs` from Debian's
# signed package lists; do not edit. use: kernel and boot enter the image, debug enters the debug image, tool makes them.
# use    package                                 version                          archive          size      sha256 path
"""


class BuildError(Exception):
    """The build cannot go on; the text says why and what to do."""


@dataclass(frozen=True)
class Package:
    """One line of `appliance/inputs`; size in octets, path relative to the archive."""

    use: str
    name: str
    version: str
    archive: str
    size: int
    sha256: str
    path: str

    def line(self):
        return (f"{self.use:8} {self.name:39} {self.version:32} {self.archive:16} {self.size:9} {self.sha256} "
                f"{self.path}\n")


def read_inputs(path):
    """The packages that `appliance/inputs` names."""
    packages = []
    with open(path) as file:
        for number, line in enumerate(file, 1):
            fields = line.split()
            if not fields or fields[0].startswith("#"):
                continue
            if len(fields) != 7:
                raise BuildError(f"{path}:{number}: {len(fields)} fields instead of 7")
            use, name, version, archive, size, sha256, where = fields
            packages.append(Package(use, name, version, archive, int(size), sha256, where))
    return packages


def fetch(package, cache):
    """The package's file in `cache`, downloaded if it is not there; its hash is checked every time."""
    target = os.path.join(cache, os.path.basename(package.path))
    if not os.path.exists(target) or _sha256(target) != package.sha256:
        data = _download(f"{MIRROR}/{package.archive}/{package.path}", package)
        if hashlib.sha256(data).hexdigest() != package.sha256:
            raise BuildError(f"{package.path}: not the file that appliance/inputs names (SHA-256 differs)")
        with open(target + ".part", "wb") as file:
            file.write(data)
        os.replace(target + ".part", target)
    return target


def fetch_all(packages, cache):
    """All files, in the order of `packages`."""
    os.makedirs(cache, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        return list(pool.map(lambda package: fetch(package, cache), packages))


def unpack(deb, folder):
    """Unpack a package without installing it."""
    subprocess.run(["dpkg-deb", "-x", deb, folder], check=True)


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url, package=None):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        if error.code == 404 and package:
            raise BuildError(f"{package.name} {package.version} has left Debian's archive ({url}): run "
                             "`appliance/build --update-inputs` to take the present version") from error
        raise BuildError(f"{url}: {error}") from error
    except OSError as error:
        raise BuildError(f"{url}: {error}; is the network there? (http_proxy and DEBIAN_MIRROR are honoured)") from error


# --- refreshing the pins -------------------------------------------------------------------------------------------


def update_inputs(path):
    """Write `appliance/inputs` anew; returns the lines that changed, `-` and `+` before them."""
    index = _Index()
    for archive, suite in SUITES:
        index.add(archive, _signed_list(archive, suite))
    kernel = max((name for name in index.packages if KERNEL.fullmatch(name)), key=lambda name: index.order(name))
    wanted = [("kernel", kernel), *(("boot", name) for name in IMAGE), *(("debug", name) for name in DEBUG)]
    wanted += [("tool", name) for name in index.closure(TOOLS)]
    lines = [index.pin(use, name).line() for use, name in wanted]
    before = open(path).readlines() if os.path.exists(path) else []
    with open(path + ".new", "w") as file:
        file.write(HEADER + "".join(lines))
    os.replace(path + ".new", path)
    old = {line for line in before if not line.startswith("#")}
    return ["- " + line for line in before if line in old - set(lines)] + ["+ " + line for line in lines if line not in old]


def _signed_list(archive, suite):
    """The package list of a suite, its signature checked with Debian's keys."""
    base = f"{MIRROR}/{archive}/dists/{suite}"
    signed = subprocess.run(["gpgv", "--keyring", KEYRING, "--output", "-"], input=_download(f"{base}/InRelease"),
                            capture_output=True)
    if signed.returncode != 0:
        raise BuildError(f"{base}/InRelease: no good signature: {signed.stderr.decode(errors='replace').strip()}\n"
                         "a newer debian-archive-keyring may be needed")
    name = "main/binary-amd64/Packages.xz"
    hashes = signed.stdout.decode().partition("\nSHA256:")[2]
    match = re.search(rf"^ ([0-9a-f]{{64}}) +\d+ {re.escape(name)}$", hashes, re.M)
    data = _download(f"{base}/{name}")
    if not match or hashlib.sha256(data).hexdigest() != match.group(1):
        raise BuildError(f"{base}/{name}: not the file that InRelease names")
    return lzma.decompress(data).decode()


class _Index:
    """Package lists, and what depends on what."""

    def __init__(self):
        self.packages = {}  # name -> (archive, fields), the newest version
        self.provided = {}  # virtual name -> names

    def add(self, archive, text):
        for stanza in text.split("\n\n"):
            fields = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.M))
            name = fields.get("Package")
            if not name or (name in self.packages and not self._newer(fields, self.packages[name][1])):
                continue
            self.packages[name] = (archive, fields)
            for virtual in re.findall(r"([\w.+-]+)(?: \([^)]*\))?(?:, |$)", fields.get("Provides", "")):
                self.provided.setdefault(virtual, []).append(name)

    @staticmethod
    def _newer(fields, than):
        return subprocess.run(["dpkg", "--compare-versions", fields["Version"], "gt", than["Version"]]).returncode == 0

    def order(self, name):
        """A key that sorts kernels by version."""
        return [int(number) for number in re.findall(r"\d+", self.packages[name][1]["Version"])]

    def closure(self, names):
        """The packages and all they depend on, sorted; of alternatives the first."""
        found, waiting = set(), list(names)
        while waiting:
            name = waiting.pop()
            if name not in self.packages:
                if name not in self.provided:
                    raise BuildError(f"no package {name} in Debian's lists")
                name = min(self.provided[name])
            if name in found:
                continue
            found.add(name)
            fields = self.packages[name][1]
            depends = ", ".join(filter(None, (fields.get("Pre-Depends"), fields.get("Depends"))))
            waiting += [re.match(r"[\w.+-]+", part.strip()).group(0) for part in depends.split(",") if part.strip()]
        return sorted(found)

    def pin(self, use, name):
        if name not in self.packages:
            raise BuildError(f"no package {name} in Debian's lists")
        archive, fields = self.packages[name]
        return Package(use, name, fields["Version"], archive, int(fields["Size"]), fields["SHA256"], fields["Filename"])
