"""Finds the tests, runs each with a time limit, says what came of it."""

import argparse
import importlib
import os
import pkgutil
import random
import shutil
import signal
import subprocess
import tempfile
import time
import traceback

from .procs import Failed
from .store import Store
from .vm import GUEST, TOP


CLUSTER = os.path.join(TOP, "capi-tests", "cluster", "cluster")


class Skip(Exception):
    pass


class Context:
    """What a test gets: the store, a folder of its own, its own source of chance."""

    def __init__(self, options, store, name, work):
        self.options = options
        self.store = store
        self.name = name
        self.work = work
        self.random = random.Random(f"{options.seed}/{name}")
        self.rounds = options.rounds

    def path(self, name):
        return os.path.join(self.work, name)

    def image(self, suffix=""):
        return self.name.replace("_", "-") + suffix

    # librbd's own cache keeps what was flushed over a SIGKILL, but what is left is no prefix of the writes:
    # `qemu/run --store cluster --conf ... --cache writeback kill_prefix` shows it.
    @property
    def crash_cache(self):
        return self.options.cache or ("writeback" if self.store.ours else "none")


def find():
    import tests
    found = []
    for module in pkgutil.iter_modules(tests.__path__):
        loaded = importlib.import_module(f"tests.{module.name}")
        for name, thing in vars(loaded).items():
            if name.startswith("t_") and callable(thing) and thing.__module__ == loaded.__name__:
                found.append((f"{module.name}_{name[2:]}", thing))
    return found


def too_long(*_):
    raise Failed("the test's time is up")


def main():
    parser = argparse.ArgumentParser(prog="qemu/run", description="QEMU, its tools and fio on rbd images.")
    parser.add_argument("--store", choices=["local", "cluster"], default="local", help="a folder (default), or a cluster")
    parser.add_argument("--conf", help="the cluster's ceph.conf (default: a cluster is started)")
    parser.add_argument("--lib", default=os.path.join(TOP, "build", "lib"), help="folder with librados.so.2 and librbd.so.1, or `system` (default: build/lib)")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31))
    parser.add_argument("--rounds", type=int, default=3, help="of each test that kills (default 3)")
    parser.add_argument("--cache", choices=["writeback", "none"], help="of the guests that are killed (default: writeback; none for Ceph's librbd)")
    parser.add_argument("--keep", action="store_true", help="keep the logs of tests that passed, too")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("pattern", nargs="*", help="run only tests whose name contains one of these")
    options = parser.parse_args()

    tests = [t for t in find() if not options.pattern or any(p in t[0] for p in options.pattern)]
    if options.list:
        print("\n".join(name for name, _ in tests))
        return 0
    if not tests:
        parser.error("no such test")
    if options.lib == "system":
        options.lib = None
        if options.store == "local":
            parser.error("only our libraries have a local store")
    if options.lib and not os.path.exists(os.path.join(options.lib, "librados.so.2")):
        parser.error(f"no librados.so.2 in {options.lib}: run `make libs`")
    subprocess.run([os.path.join(TOP, "qemu", "guest", "build")], check=True, timeout=900)

    cluster = None
    if options.store == "cluster" and not options.conf:
        cluster = start_cluster()
        options.conf = cluster["CEPH_CONF"]
    try:
        return run_tests(options, tests)
    finally:
        if cluster:
            subprocess.run([CLUSTER, "stop", cluster["CLUSTER_DIR"]], timeout=120)


def start_cluster():
    # A dead opener's watch ends after 5 s and not 30: the tests kill many.
    argv = [CLUSTER, "start", "--owner", str(os.getpid()), "--max-seconds", "7200", "--conf", "[osd] osd_client_watch_timeout = 5"]
    out = subprocess.run(argv, stdout=subprocess.PIPE, timeout=300, check=True).stdout.decode()
    return dict(line.split("=", 1) for line in out.split())


def run_tests(options, tests):
    store = Store(options.store, options.lib, options.conf)
    logs = os.path.join(TOP, "build", "qemu-logs")
    os.makedirs(logs, exist_ok=True)
    top = tempfile.mkdtemp(prefix=time.strftime("%H%M%S-"), dir=logs)
    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    passed, failed, skipped = 0, [], 0
    try:
        try:
            library = store.open()
        except Failed as error:
            print(f"qemu: the store does not open: {error}\n0 passed, {len(tests)} failed, 0 skipped")
            return 1
        print(f"qemu: {len(tests)} tests, {options.store} store, {library}, SEED={options.seed}", flush=True)
        for name, test in tests:
            work = os.path.join(top, name)
            os.mkdir(work)
            begin = time.monotonic()
            print(f"  {name}", flush=True)
            try:
                signal.alarm(getattr(test, "limit", 300))
                test(Context(options, store, name, work))
                signal.alarm(0)
                passed += 1
                print(f"    ok ({time.monotonic() - begin:.1f} s)", flush=True)
                if not options.keep:
                    shutil.rmtree(work)
            except Skip as reason:
                signal.alarm(0)
                skipped += 1
                print(f"    skipped: {reason}", flush=True)
            except Exception as error:
                signal.alarm(0)
                failed.append(name)
                text = str(error) if isinstance(error, Failed) else traceback.format_exc()
                print("\n".join(f"    FAILED: {line}" for line in text.strip().splitlines()), flush=True)
                print(f"    logs: {os.path.relpath(work, TOP)}; again: SEED={options.seed} qemu/run --store {options.store} {name}", flush=True)
    finally:
        signal.alarm(0)
        try:
            store.close()
        except Failed as error:
            print(f"qemu: the store does not close: {error}")
            failed.append("close")
        if not os.listdir(top):
            os.rmdir(top)
    for name in failed:
        print(f"failed: {name}")
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed else 0
