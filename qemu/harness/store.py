"""Where the images live: our library on a folder, or either library on a cluster.

A store gives the `rbd:` URL of an image in QEMU's own notation, and the environment that selects the library.
"""

import os
import tempfile

from .procs import Failed, python, run

POOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pool.py")


def escape(text):
    """QEMU takes apart `rbd:pool/image@snap:key=value:...`; a backslash keeps a character from it."""
    return "".join("\\" + c if c in "\\:@/=" else c for c in text)


def escape_value(text):
    return "".join("\\" + c if c in "\\:" else c for c in text)


class Store:
    def __init__(self, kind, libdir=None, conf=None, pool=None):
        self.kind = kind
        self.libdir = libdir and os.path.realpath(libdir)
        self.ours = libdir is not None
        self.pool = pool or f"qemu{os.getpid()}"
        self.folder = None
        self.own_pool = False
        if kind == "local":
            self.home = tempfile.TemporaryDirectory(prefix="logrbd-qemu-", dir=os.environ.get("LOGRBD_TMP"))
            self.folder = os.path.join(self.home.name, "store")
            os.mkdir(self.folder, 0o700)
            self.conf = os.path.join(self.home.name, "ceph.conf")
            with open(self.conf, "w") as f:
                f.write(f"[global]\nmon_host = local:{self.folder}\n")
        elif kind == "cluster":
            self.conf = os.path.realpath(conf)
        else:
            raise ValueError(kind)

    def env(self, **more):
        env = {k: v for k, v in os.environ.items() if not k.startswith("CEPH_")}
        if self.libdir:
            env["LD_LIBRARY_PATH"] = self.libdir
        env.update(more)
        return env

    def pool_program(self, verb):
        return run([python(), POOL, verb, self.conf, self.pool], self.env(), timeout=60)[1]

    def open(self):
        """Makes the pool; gives the path of the librados that programs are served."""
        library = self.pool_program("create").split()[-1]
        self.own_pool = True
        if self.libdir and not library.startswith(self.libdir):
            raise Failed(f"LD_LIBRARY_PATH={self.libdir}, but programs get {library}")
        return library

    def close(self):
        if self.own_pool and self.kind == "cluster":
            self.pool_program("delete")
        if self.kind == "local":
            self.home.cleanup()

    def url(self, image, snap=None, by_conf=False, **options):
        name = f"rbd:{escape(self.pool)}/{escape(image)}"
        if snap:
            name += f"@{escape(snap)}"
        if self.kind == "local" and not by_conf:
            options = {"mon_host": f"local:{self.folder}", **options}
        else:
            options = {"conf": self.conf, **options}
        return name + "".join(f":{k}={escape_value(v)}" for k, v in options.items())

    def check(self, image):
        """What a killed QEMU has left must be clean to `logrbd check`; only on a local store, which the tool can read."""
        if self.ours and self.kind == "local":
            run([os.path.join(self.libdir, "..", "bin", "logrbd"), "-c", self.conf, "-p", self.pool, "check", "-q", image],
                self.env(), timeout=120)

    def objects(self):
        """How many RADOS objects the pool holds, and their bytes, as rados_ioctx_pool_stat says (a cluster's is some seconds late)."""
        text = self.pool_program("stat")
        objects, size = text.split()[-2:]
        return int(objects), int(size)
