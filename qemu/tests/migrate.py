"""A running guest moves from one QEMU to another; the disk is the same image, open in both. Nothing is lost on the way."""

import os
import shutil
import tempfile

from harness.procs import expect, note, run
from harness.vm import Vm

AREA = 2048  # blocks of 4 KiB


class Road:
    """The socket that a guest goes through (its path must be short)."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="move-")
        return os.path.join(self.folder, "s")

    def __exit__(self, *_):
        shutil.rmtree(self.folder)


def arrives(vm):
    if vm.qmp("query-status")["status"] != "running":
        vm.qmp_event("RESUME", 60)


def t_hops(t):
    """The guest writes all the time and moves three times. Its files and blocks are what it wrote, here and after a new boot."""
    url = t.store.url(t.image())
    seed = t.random.randrange(1 << 40)
    base = 256 << 8  # past the file system
    run(["qemu-img", "create", "-q", "-f", "raw", url, "320M"], t.store.env())
    vm = Vm(t.store, url, t.work, "vm0")
    try:
        vm.run("mkfs.ext4 -q /dev/vda 256M && mount -t ext4 /dev/vda /mnt && mkdir /mnt/data")
        vm.send(f"(stamp files /mnt/data {seed} 1 100000 >/tmp/files 2>&1 &); stamp blocks /dev/vda {seed} {base} {AREA} 100000000")
        for hop in range(1, 4):
            vm.synced(20)
            with Road() as road:
                following = Vm(t.store, url, t.work, f"vm{hop}", incoming=road)
                try:
                    status = vm.migrate(f"unix:{road}")
                    expect(status == "completed", f"the migration has {status}\n{following.stderr()}")
                    arrives(following)
                    following.synced(10)
                    if hop == 2:
                        vm.kill()  # what was left behind dies: it has nothing that counts any more
                    else:
                        vm.quit()
                except BaseException:
                    following.close()
                    raise
                following.reported = {**vm.reported, **following.reported}
                note(f"hop {hop}: batch {following.reported['']} of the files, write {following.reported[str(base)]} of the blocks")
                vm = following
        files, blocks = vm.reported[""], vm.reported[str(base)]
        vm.kill()
    finally:
        if not vm.log.closed:
            vm.close()
    with Vm(t.store, url, t.work, "last") as vm:
        vm.run("mount -t ext4 /dev/vda /mnt && umount /mnt && e2fsck -f -n /dev/vda && mount -t ext4 /dev/vda /mnt", timeout=180)
        for check in (f"fcheck /mnt/data {seed} {files}", f"bcheck /dev/vda {seed} {base} {AREA} {blocks}"):
            _, text = vm.run("stamp " + check)
            note(text[-1])
        vm.poweroff()


def t_target_dies(t):
    """The QEMU that the guest was to move to dies on the way: the guest goes on where it was."""
    url = t.store.url(t.image())
    seed = t.random.randrange(1 << 40)
    run(["qemu-img", "create", "-q", "-f", "raw", url, "64M"], t.store.env())
    with Vm(t.store, url, t.work, "first") as vm:
        vm.send(f"stamp blocks /dev/vda {seed} 0 {AREA} 100000000")
        vm.synced(10)
        with Road() as road, Vm(t.store, url, t.work, "second", incoming=road) as target:
            vm.qmp("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
            vm.qmp("migrate-set-parameters", max_bandwidth=16 << 20)
            vm.qmp("migrate", uri=f"unix:{road}")
            while vm.qmp_event("MIGRATION", 60)["data"]["status"] != "active":
                pass
            target.kill()
            while vm.qmp_event("MIGRATION", 60)["data"]["status"] not in ("failed", "completed"):
                pass
        expect(vm.qmp("query-status")["status"] == "running", "the guest does not go on")
        vm.synced(20)
        last = vm.reported["0"]
        vm.kill()
    with Vm(t.store, url, t.work, "third") as vm:
        _, text = vm.run(f"stamp bcheck /dev/vda {seed} 0 {AREA} {last}")
        note(text[-1])
        vm.poweroff()
