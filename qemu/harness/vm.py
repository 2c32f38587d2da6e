"""One guest: QEMU under TCG, its console, its command line (the second serial port) and its QMP monitor.

Everything is an event: a line from the guest, a QMP event, or the end of the process. Nothing sleeps.
"""

import json
import os
import queue
import shutil
import signal
import socket
import tempfile
import threading
import time

from .procs import Failed, spawn

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GUEST = os.path.join(TOP, "build", "guest")


class Vm:
    def __init__(self, store, file, work, name="vm", root=False, cache="writeback", snapshot=False, discard="ignore", timeout=120,
                 incoming=None):
        self.work = work
        self.lines = queue.Queue()
        self.console = []
        self.threads = []
        self.reported = {}  # the last "* synced N [WRITER]" of each writer
        # AF_UNIX paths are short: the sockets get a short folder of their own
        self.sockets = tempfile.mkdtemp(prefix="vm-")
        self.log = open(os.path.join(work, f"{name}.log"), "w", buffering=1)
        listeners = {n: self.listen(n) for n in ("console", "control", "qmp")}
        append = "console=ttyS0 quiet loglevel=6 panic=-1 tsc=reliable" + (" disk=root" if root else "")
        drive = f"file={file.replace(',', ',,')},format=raw,if=none,id=disk0,cache={cache},discard={discard}"
        args = ["qemu-system-x86_64", "-accel", "tcg", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-m", "256", "-smp", "1", "-kernel", f"{GUEST}/vmlinuz", "-initrd", f"{GUEST}/initrd", "-append", append,
                "-drive", drive + (",snapshot=on" if snapshot else ""), "-device", "virtio-blk-pci,drive=disk0,id=vd0",
                "-chardev", f"socket,id=c0,path={self.sockets}/console", "-serial", "chardev:c0",
                "-chardev", f"socket,id=c1,path={self.sockets}/control", "-serial", "chardev:c1",
                "-chardev", f"socket,id=c2,path={self.sockets}/qmp", "-mon", "chardev=c2,mode=control"]
        if incoming:  # a guest that comes from another QEMU: it says nothing until it is here
            args += ["-incoming", f"unix:{incoming}"]
        self.errors = open(os.path.join(work, f"{name}.stderr"), "w+")
        env = store.env(TMPDIR=work)
        self.process = spawn(args, env, stdin=-3, stdout=self.errors, stderr=self.errors)
        self.deadline = time.monotonic() + timeout
        try:
            self.sock = {n: self.accept(n, l) for n, l in listeners.items()}
            for n in ("console", "control"):
                self.watch(n)
            self.qmp_file = self.sock["qmp"].makefile("rb")
            self.events = []
            self.qmp_read("itself")
            self.qmp("qmp_capabilities")
            self.ready = incoming or self.wait(lambda line: line.startswith("ready "), timeout, "the guest's first line")
        except BaseException:
            self.kill()
            raise

    # -- plumbing --

    def listen(self, name):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(os.path.join(self.sockets, name))
        listener.listen(1)
        listener.settimeout(0.2)
        return listener

    def accept(self, name, listener):
        """QEMU connects only when it has opened the disk: until then its end is the other event."""
        while time.monotonic() < self.deadline:
            try:
                connection, _ = listener.accept()
                listener.close()
                connection.settimeout(None if name != "qmp" else 60)
                return connection
            except TimeoutError:
                if self.process.poll() is not None:
                    raise Failed(f"QEMU ended with status {self.process.returncode}\n{self.stderr()}") from None
        raise Failed(f"QEMU does not open its {name} socket\n{self.stderr()}")

    def watch(self, name):
        def read():
            with self.sock[name].makefile("rb") as stream:
                try:
                    for raw in stream:
                        line = raw.decode(errors="replace").rstrip("\r\n")
                        self.log.write(f"{time.monotonic():.3f} {name}: {line}\n")
                        if name == "control":
                            if line.startswith("* synced "):
                                _, _, number, *writer = line.split()
                                self.reported[" ".join(writer)] = int(number)
                            self.lines.put(line)
                        else:
                            self.console.append(line)
                            self.lines.put("console " + line)
                except (OSError, ValueError):
                    pass
            if name == "control":
                self.lines.put(None)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        self.threads.append(thread)

    def stderr(self):
        self.errors.flush()
        with open(self.errors.name) as f:
            return f.read()[-2000:]

    # -- what the guest says --

    def wait(self, wanted, timeout, what):
        """The next line for which wanted() is true; lines before it are dropped."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise Failed(f"waited {timeout} s for {what}; console: {self.console[-5:]}\n{self.stderr()}") from None
            if line is None:
                raise Failed(f"QEMU ended while waiting for {what}; console: {self.console[-5:]}\n{self.stderr()}")
            if wanted(line):
                return line

    def send(self, command):
        self.sock["control"].sendall(command.encode() + b"\n")

    def run(self, command, timeout=120, check=True):
        """One command in the guest; gives (status, its lines)."""
        output = []

        def seen(line):
            if line.startswith("| "):
                output.append(line[2:])
            return line.startswith("= ")

        self.send(command)
        status = int(self.wait(seen, timeout, f"the end of `{command}`")[2:])
        if check and status != 0:
            raise Failed(f"in the guest: status {status} of `{command}`: " + "\n".join(output[-12:]))
        return status, output

    def synced(self, count, timeout=180):
        """Waits for that many reports from now on."""
        for _ in range(count):
            line = self.wait(lambda l: l.startswith("* synced ") or l.startswith("= "), timeout, "a synced batch")
            if line.startswith("= "):
                raise Failed("the guest's writer ended by itself")

    # -- QMP --

    def qmp_read(self, wanted):
        try:
            line = self.qmp_file.readline()
        except TimeoutError:
            raise Failed(f"QMP says nothing of {wanted}; events since the last command: {self.events}") from None
        if not line:
            raise Failed(f"QMP closed before {wanted}\n{self.stderr()}")
        return json.loads(line)

    def qmp(self, command, check=True, **arguments):
        message = {"execute": command, "arguments": {k.replace("_", "-"): v for k, v in arguments.items()}}
        self.events = []
        self.sock["qmp"].sendall(json.dumps(message).encode() + b"\n")
        while True:
            answer = self.qmp_read(command)
            if "event" in answer:
                # QEMU answers a little after it has done what was asked: what happens meanwhile comes before the answer.
                self.events.append(answer)
                continue
            if check and "error" in answer:
                raise Failed(f"QMP {command}: {answer['error']}")
            return answer.get("return", answer)

    def qmp_event(self, name, timeout):
        """The next event of this name since the last command was sent."""
        while self.events:
            event = self.events.pop(0)
            if event["event"] == name:
                return event
        self.sock["qmp"].settimeout(timeout)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            answer = self.qmp_read(name)
            if answer.get("event") == name:
                self.sock["qmp"].settimeout(60)
                return answer
        raise Failed(f"no {name} from QEMU within {timeout} s")

    # -- migration --

    def migrate(self, uri, timeout=120):
        """Moves the guest to the QEMU that waits at this URI; returns when this one has nothing left to do."""
        self.qmp("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
        self.qmp("migrate-set-parameters", max_bandwidth=1 << 30, downtime_limit=500)
        self.qmp("migrate", uri=uri)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            status = self.qmp_event("MIGRATION", timeout)["data"]["status"]
            if status in ("completed", "failed", "cancelled"):
                return status
        raise Failed(f"the migration is not over after {timeout} s")

    def quit(self):
        self.qmp("quit")
        self.end()

    # -- the end --

    def libraries(self):
        """The files of librados and librbd that this QEMU has mapped."""
        with open(f"/proc/{self.process.pid}/maps") as maps:
            return sorted({line.split()[-1] for line in maps if "librados.so" in line or "librbd.so" in line})

    def end(self, timeout=60):
        try:
            self.process.wait(timeout)
        except Exception:
            raise Failed(f"QEMU does not end within {timeout} s\n{self.stderr()}") from None
        finally:
            self.close()
        if self.process.returncode != 0:
            raise Failed(f"QEMU ended with status {self.process.returncode}\n{self.stderr()}")

    def poweroff(self):
        self.send("cd /; umount /mnt 2>/dev/null; sync; poweroff -f")
        self.end()

    def kill(self):
        """SIGKILL, in the middle of whatever it does. After that, `reported` is all that the guest could say."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        for thread in self.threads:
            thread.join(10)
        for s in getattr(self, "sock", {}).values():
            s.close()
        self.log.close()
        self.errors.close()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.log.closed:
            self.close()
