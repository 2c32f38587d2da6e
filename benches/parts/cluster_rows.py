"""What is measured on a cluster: fio's engines rados and rbd, the connect; and the goals."""
from dataclasses import dataclass, field


@dataclass
class Row:
    name: str
    engine: str  # rados, rbd, connect, vm
    fio: list = field(default_factory=list)
    # The image is filled once: `seq` in order, `random` in 4k; otherwise each run has a new one.
    image: str = "new"
    # Least rate and most of the others, ours / Ceph's.
    rate: float = None
    cpu: float = None
    p99: float = None
    ops: float = None
    memory: float = None
    # Ours has a log on this machine's disk, and is beside: Ceph's librbd without a cache ("nocache"), or the disk itself ("disk").
    ssd: str = None
    # With an erasure-coded data pool, k=2 m=1 with overwrites: three OSDs at least.
    ec: bool = False
    # What load.c does in a guest: read or write, bytes, threads, writes a flush.
    load: tuple = None

    @property
    def writes_back(self):
        return BACK in self.fio

    @property
    def reads(self):
        return "read" in self.name.split()[1] if self.engine != "connect" else False


def fio(rw, bs, depth, *more):
    return [f"--rw={rw}", f"--bs={bs}", f"--iodepth={depth}", *more]


# fio's usual seed is the one that the image was written with: reads would come in the order of the writes. Another one each time, since one
# row writes to the image that is read.
OWN_ORDER = ["--randrepeat=0"]


def rados_rows():
    for bs in ("4k", "64k", "4m"):
        for rw in ("randwrite", "randread") if bs != "4m" else ("write", "read"):
            for depth in (1, 32):
                yield Row(f"rados {rw} {bs} qd{depth}", "rados", fio(rw, bs, depth), rate=1.0, cpu=0.6, p99=1.0, memory=0.5)


BACK = "--fsync=10000"
ROWS = [
    Row("connect to first write", "connect", rate=1.0),
    *rados_rows(),
    Row("rbd randwrite 4k qd32 through", "rbd", fio("randwrite", "4k", 32), rate=4, cpu=0.3, p99=0.5, ops=0.1),
    Row("rbd randwrite 4k qd32", "rbd", fio("randwrite", "4k", 32, BACK), rate=15, cpu=0.2, p99=0.5, ops=0.005),
    Row("rbd randwrite 4k qd32 fsync=32", "rbd", fio("randwrite", "4k", 32, "--fsync=32"), rate=8, cpu=0.3, p99=1.0, ops=0.06),
    Row("rbd randwrite 4k qd1 fsync=1", "rbd", fio("randwrite", "4k", 1, "--fsync=1"), rate=1.2, cpu=0.6, p99=1.0, ops=1.1),
    Row("rbd randwrite 4k qd1 fsync=1 ssd", "rbd", fio("randwrite", "4k", 1, "--fsync=1"), rate=8, ssd="nocache"),
    Row("rbd randwrite 4k qd1 fsync=1 ssd and its disk", "rbd", fio("randwrite", "4k", 1, "--fsync=1"), rate=0.5, ssd="disk"),
    Row("rbd randwrite 16k qd32", "rbd", fio("randwrite", "16k", 32, BACK), rate=5, cpu=0.3, p99=0.5, ops=0.01),
    Row("rbd randwrite 64k qd32", "rbd", fio("randwrite", "64k", 32, BACK), rate=2.5, cpu=0.5, p99=0.5),
    Row("rbd write 4k qd32", "rbd", fio("write", "4k", 32, BACK), rate=1.5, cpu=0.7, p99=0.5),
    Row("rbd write 1m qd8", "rbd", fio("write", "1m", 8, BACK), rate=1.3, cpu=0.7, p99=1.0),
    Row("rbd write 1m qd8 ec", "rbd", fio("write", "1m", 8, BACK), rate=1.3, cpu=0.7, p99=1.0, ec=True),
    Row("rbd randwrite 64k qd32 ec", "rbd", fio("randwrite", "64k", 32, BACK), rate=2.5, cpu=0.5, p99=0.5, ec=True),
    Row("rbd randwrite 4k qd32 ec", "rbd", fio("randwrite", "4k", 32, BACK), rate=15, cpu=0.2, p99=0.5, ec=True),
    Row("rbd randread 4k qd32", "rbd", fio("randread", "4k", 32, *OWN_ORDER), "random", rate=1.1, cpu=0.6, p99=1.0, ops=1.0),
    Row("rbd randread 4k qd32 in the order of writing", "rbd", fio("randread", "4k", 32), "random"),
    Row("rbd randread 4k qd1", "rbd", fio("randread", "4k", 1, *OWN_ORDER), "random", rate=1.1, cpu=0.6, p99=1.0),
    Row("rbd read 4k qd1", "rbd", fio("read", "4k", 1), "seq"),
    Row("rbd read 4k qd1 of random", "rbd", fio("read", "4k", 1), "random"),
    Row("rbd read 1m qd8", "rbd", fio("read", "1m", 8), "seq", rate=1.3, cpu=0.7, p99=1.0),
    Row("rbd read 1m qd8 of random", "rbd", fio("read", "1m", 8), "random", rate=0.8, cpu=1.0, p99=1.5),
    Row("vm write 4k x1, flush each", "vm", load=("write", 4096, 1, 1), rate=1.2),
    Row("vm write 4k x32", "vm", load=("write", 4096, 32, 0), rate=4),
    Row("vm write 4k x32, flush 1 in 32", "vm", load=("write", 4096, 32, 32), rate=4),
    Row("vm write 64k x8", "vm", load=("write", 65536, 8, 0), rate=1.5),
    Row("vm read 4k x32", "vm", image="random", load=("read", 4096, 32, 0), rate=1.1),
    Row("rbd randrw 4k qd32", "rbd", fio("randrw", "4k", 32, BACK, *OWN_ORDER), "random", rate=3, cpu=0.4, p99=0.7),
]
