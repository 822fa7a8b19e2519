"""The programs of the image, PID 1 and the server: built at a path of its own, so that where the tree lies leaves no trace
in them."""

import os
import shutil
import subprocess

from archive import BuildError

RELEASE = "x86_64-unknown-linux-musl/release"
NAMES = ("runbound", "runbound-init")
FIXED = "/run/runbound-build"


def install_packages(root):
    """What the build needs from Debian and, for the program, Rust: tests/lib/deps.sh."""
    done = subprocess.run(["bash", "-c", ". tests/lib/deps.sh && appliance_deps \"$PWD\""], cwd=root)
    if done.returncode != 0:
        raise BuildError("what a build needs is not there (see above)")


def commit_date(root):
    """Seconds since 1970 of the commit that is checked out."""
    command = ["git", "-c", f"safe.directory={root}", "log", "-1", "--format=%ct"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError("not a git clone, so there is no date to put into the images: set SOURCE_DATE_EPOCH")
    return done.stdout.strip()


def build(root, target, say):
    """Build the release binaries in a mount namespace, where tree, cargo's home and target have fixed paths; returns the
    folder they are in."""
    say("the programs (the first time takes a few minutes)")
    cargo_home = os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo")
    places = {"tree": root, "cargo": cargo_home, "target": target}
    for name, folder in places.items():
        os.makedirs(folder, exist_ok=True)
        os.makedirs(os.path.join(FIXED, name), exist_ok=True)
    binds = " && ".join(f'mount --bind "${name}" {FIXED}/{name}' for name in places)
    script = f"{binds} && cd {FIXED}/tree && exec cargo build --locked -q --release --workspace"
    # A date that changes would have cargo compile the C libraries anew.
    environment = {**os.environ, **places, "SOURCE_DATE_EPOCH": "0", "CARGO_HOME": f"{FIXED}/cargo",
                   "CARGO_TARGET_DIR": f"{FIXED}/target", "PATH": f"{os.environ['PATH']}:{cargo_home}/bin"}
    if subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script], env=environment).returncode != 0:
        raise BuildError("runbound was not built (see above)")
    return os.path.join(target, RELEASE)


def put(built, folder):
    """Copy them to a folder where cargo may have put hard links to its own: those stay as they are."""
    os.makedirs(folder, exist_ok=True)
    for name in NAMES:
        place = os.path.join(folder, name)
        shutil.copyfile(os.path.join(built, name), place + ".new")
        os.chmod(place + ".new", 0o755)
        os.replace(place + ".new", place)
