"""qemu-nbd serves an image on a unix socket; libnbd's own tools read and write it."""

import json
import os
import signal
import socket
import tempfile

from harness.procs import expect, run, spawn
from tests.img import same_bytes, seeded_file


class Server:
    """qemu-nbd in the foreground. The listening socket is ours and handed over, so that there is nothing to wait for."""

    def __init__(self, store, url, *options):
        self.folder = tempfile.TemporaryDirectory(prefix="nbd-")
        path = os.path.join(self.folder.name, "s")
        self.uri = f"nbd+unix:///?socket={path}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(16)
        script = f'exec 3<&{listener.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1; exec qemu-nbd "$@"'
        self.errors = open(os.path.join(self.folder.name, "stderr"), "w+")
        self.process = spawn(["bash", "-c", script, "qemu-nbd", "-f", "raw", "-t", "-e", "8", *options, url], store.env(),
                             pass_fds=[listener.fileno()], stdin=-3, stdout=self.errors, stderr=self.errors)
        listener.close()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(60)
        self.errors.seek(0)
        text = self.errors.read()
        expect(how == signal.SIGKILL or self.process.returncode == 0, f"qemu-nbd ended with {self.process.returncode}: {text}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        self.errors.close()
        self.folder.cleanup()


def t_copy(t):
    url, env = t.store.url(t.image()), t.store.env()
    source, back = seeded_file(t, "source.raw"), t.path("back.raw")
    size = os.path.getsize(source)
    run(["qemu-img", "create", "-q", "-f", "raw", url, str(size)], env)
    with Server(t.store, url, "--discard=unmap") as server:
        # libnbd may warn first (it looks for the program `file`, which need not be there)
        _, text = run(["nbdinfo", "--json", server.uri], env)
        export = json.loads(text[text.index("{"):])["exports"][0]
        expect(export["export-size"] == size, f"nbdinfo says {export['export-size']}, not {size}")
        expect(export["can_flush"] and not export["is_read_only"], f"{export}")
        run(["nbdcopy", "--flush", source, server.uri], env, timeout=120)
        run(["nbdcopy", server.uri, back], env, timeout=120)
        same_bytes(source, back)
        _, text = run(["nbdinfo", "--map", "--json", server.uri], env)
        parts = json.loads(text[text.index("["):])
        expect(sum(p["length"] for p in parts) == size, f"the map covers {sum(p['length'] for p in parts)} of {size} bytes")
        server.stop()
    # after it ended, the image has it all, by another way
    run(["qemu-img", "compare", "-f", "raw", "-F", "raw", source, url], env, timeout=120)
    with Server(t.store, url, "-r") as server:
        os.remove(back)
        run(["nbdcopy", server.uri, back], env, timeout=120)
        same_bytes(source, back)
        server.stop()


def t_flushed_then_killed(t):
    """nbdcopy --flush returned, then SIGKILL: everything is there."""
    url, env = t.store.url(t.image()), t.store.env()
    source = seeded_file(t, "source.raw", 24)
    run(["qemu-img", "create", "-q", "-f", "raw", url, str(os.path.getsize(source))], env)
    with Server(t.store, url) as server:
        run(["nbdcopy", "--flush", source, server.uri], env, timeout=120)
        server.stop(signal.SIGKILL)
    run(["qemu-img", "compare", "-f", "raw", "-F", "raw", source, url], env, timeout=120)
