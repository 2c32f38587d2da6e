"""What is measured: the rows of the table, and the goals that they are held against."""
from dataclasses import dataclass, field

# Images and files; each is made once, before the first round.
#   work   written whole from front to back; the rows that write use it
#   seq    written whole from front to back, only read
#   random each block written once, in random order, only read
STATES = ("work", "seq", "random")


@dataclass
class Row:
    name: str
    image: str
    fio: list
    # fio for the disk itself, where it promises the same by other means.
    disk: list = None
    # Least ratio of the disk's rate, and most CPU of a request in us, or None.
    ratio: float = None
    cpu_us: float = None
    # The page cache is emptied first; each run is a process of its own, so the library's caches are empty anyway.
    cold: bool = False
    # Options of ceph.conf for this row.
    conf: dict = field(default_factory=dict)
    # Part of the image, so that it fits into the cache.
    size_mib: int = None


def fio(rw, bs, depth, *more):
    # Its own order: with the seed that the image was written with, a random read would read the log from front to back. (fio takes a
    # seed only without randrepeat.)
    return [f"--rw={rw}", f"--bs={bs}", f"--iodepth={depth}", "--randrepeat=0", "--randseed=4711", *more]


BACK = {"rbd_cache_writethrough_until_flush": "false"}
ROWS = [
    Row("randwrite 4k qd32", "work", fio("randwrite", "4k", 32), ratio=0.7, cpu_us=10, conf=BACK),
    Row("randwrite 4k qd32 through", "work", fio("randwrite", "4k", 32)),
    Row("randwrite 4k qd32 fsync=32", "work", fio("randwrite", "4k", 32, "--fsync=32")),
    Row("randwrite 4k qd1 fsync=1", "work", fio("randwrite", "4k", 1, "--fsync=1"), fio("randwrite", "4k", 1, "--fdatasync=1"), ratio=0.3),
    Row("write 4k qd32", "work", fio("write", "4k", 32), conf=BACK),
    Row("write 1m qd8", "work", fio("write", "1m", 8), ratio=0.6, conf=BACK),
    # Of the disk, too, what is synced now and then: its own rate without that is of what is in its cache.
    Row("write 1m qd8 fsync=24", "work", fio("write", "1m", 8, "--fsync=24"), fio("write", "1m", 8, "--fdatasync=24"), conf=BACK),
    Row("randread 4k qd32 cold", "random", fio("randread", "4k", 32), ratio=0.4, cpu_us=10, cold=True),
    Row("randread 4k qd32 cold seq", "seq", fio("randread", "4k", 32), cold=True),
    Row("randread 4k qd32 cached", "random", fio("randread", "4k", 32, "--invalidate=0"), fio("randread", "4k", 32), ratio=1.0, cpu_us=10, size_mib=16),
    Row("randread 4k qd1 cold", "random", fio("randread", "4k", 1), cold=True),
    Row("read 4k qd32 cold", "seq", fio("read", "4k", 32), cold=True),
    Row("read 1m qd8 cold", "seq", fio("read", "1m", 8), ratio=0.6, cold=True),
    Row("read 1m qd8 of random", "random", fio("read", "1m", 8), ratio=0.3, cold=True),
]


@dataclass
class QemuRow:
    """qemu-img bench: `count` requests, each `step` bytes after the one before (round the image)."""
    name: str
    size: int
    depth: int
    count: int
    step: int = 0
    write: bool = False
    flush: int = 0


# An odd number of blocks: goes through all blocks of an image of 2^n bytes, far from where it was before.
FAR = 4096 * 100_003
QEMU_ROWS = [
    QemuRow("write 4k far apart qd32", 4096, 32, 300_000, FAR, write=True),
    QemuRow("write 4k qd1 flush each", 4096, 1, 20_000, FAR, write=True, flush=1),
    QemuRow("write 1m qd8", 1 << 20, 8, 4096, write=True),
    QemuRow("read 4k far apart qd32", 4096, 32, 300_000, FAR),
    QemuRow("read 1m qd8", 1 << 20, 8, 4096),
]
