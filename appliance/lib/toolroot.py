"""The tools that make the image, in a root folder of their own, unpacked from the packages that `appliance/inputs` pins.

A newer or older xorriso, GRUB or e2fsprogs on the host then changes nothing.
"""

import hashlib
import os
import shutil
import subprocess

import archive

MERGED = ["bin", "lib", "lib64", "sbin"]  # Debian's /bin is /usr/bin, and so on


class ToolRoot:
    """A folder with Debian's tools; `run` starts one of them in it (chroot)."""

    def __init__(self, folder, debs, epoch):
        names = "\n".join(os.path.basename(deb) for deb in debs)
        self.root = os.path.join(folder, hashlib.sha256(names.encode()).hexdigest()[:16])
        self.environment = {"PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/",
                            "SOURCE_DATE_EPOCH": str(epoch), "E2FSPROGS_FAKE_TIME": str(epoch), "MKE2FS_CONFIG": "/etc/mke2fs.conf"}
        if not os.path.exists(os.path.join(self.root, ".complete")):
            shutil.rmtree(folder, ignore_errors=True)
            self._unpack(debs)

    def _unpack(self, debs):
        for name in MERGED:
            os.makedirs(os.path.join(self.root, "usr", name))
            os.symlink(f"usr/{name}", os.path.join(self.root, name))
        for name in ("tmp", "dev", "proc"):
            os.makedirs(os.path.join(self.root, name))
        for deb in debs:
            archive.unpack(deb, self.root)
        with open(os.path.join(self.root, ".complete"), "w"):
            pass

    def fresh_folder(self, name):
        """An empty folder that the tools can reach, as the host sees it."""
        path = os.path.join(self.root, name)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def run(self, *argv, input=None):
        """Run a tool; paths below the root are given as the host sees them. Its words are shown only if it fails."""
        inside = [str(word).replace(self.root, "") for word in argv]
        done = subprocess.run(inside, env=self.environment, input=input, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, preexec_fn=lambda: (os.chroot(self.root), os.chdir("/")))
        if done.returncode != 0:
            raise archive.BuildError(f"{' '.join(inside)}\n{done.stdout.strip()}")
        return done.stdout
