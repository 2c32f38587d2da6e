"""The kill tests must be able to fail: data is lost or changed on purpose behind the guest's back, and must be noticed."""

from harness.procs import expect, note, run
from harness.stamp import place_of
from harness.vm import Vm
from tests.kill import AREA, killed


def t_lost_files(t):
    """After the kill the guest gets the state of an earlier moment instead: synced batches are missing."""
    url, env = t.store.url(t.image()), t.store.env()
    seed = t.random.randrange(1 << 40)
    run(["qemu-img", "create", "-q", "-f", "raw", url, "128M"], env)
    with Vm(t.store, url, t.work, "first", cache=t.crash_cache) as vm:
        vm.run("mkfs.ext4 -q /dev/vda && mount -t ext4 /dev/vda /mnt && mkdir /mnt/data")
        vm.run(f"stamp files /mnt/data {seed} 1 10 && sync")
        vm.qmp("blockdev-snapshot-internal-sync", device="disk0", name="early")
        vm.send(f"stamp files /mnt/data {seed} 11 100000")
        last = killed(t, vm, 8, 20)[""]
    with Vm(t.store, t.store.url(t.image(), snap="early"), t.work, "second", snapshot=True) as vm:
        vm.run("mount -t ext4 /dev/vda /mnt")
        vm.run(f"stamp fcheck /mnt/data {seed} 10")
        status, text = vm.run(f"stamp fcheck /mnt/data {seed} {last}", check=False)
        expect(status == 1, f"batches 11 to {last} are lost and nobody noticed: {text}")
        note(text[-1])
        vm.poweroff()


def t_changed_blocks(t):
    """One byte changed, one written block put back to zeros: each must be noticed."""
    url, env = t.store.url(t.image()), t.store.env()
    seed = t.random.randrange(1 << 40)
    run(["qemu-img", "create", "-q", "-f", "raw", url, "16M"], env)
    with Vm(t.store, url, t.work, "first", cache=t.crash_cache) as vm:
        vm.send(f"stamp blocks /dev/vda {seed} 0 {AREA} 100000000")
        last = killed(t, vm, 20, 40)["0"]
    with Vm(t.store, url, t.work, "second") as vm:
        vm.run(f"stamp bcheck /dev/vda {seed} 0 {AREA} {last}")
        vm.poweroff()
    # the newest write to the place of the first one; which one that is does not matter
    at = place_of(seed, 1, AREA) * 4096

    def noticed(name, what):
        with Vm(t.store, url, t.work, name) as vm:
            status, text = vm.run(f"stamp bcheck /dev/vda {seed} 0 {AREA} {last}", check=False)
            expect(status == 1, f"{what}, and nobody noticed: {text}")
            note(f"{what}: {text[0]}")
            vm.poweroff()

    run(["qemu-img", "snapshot", "-c", "good", url], env)
    run(["qemu-io", "-f", "raw", "-c", f"write -P 0 {at} 4k", url], env)
    noticed("third", f"block {at // 4096} put back to zeros")
    run(["qemu-img", "snapshot", "-a", "good", url], env)
    # the top byte of the block's own number, which is 0 in what the guest wrote
    run(["qemu-io", "-f", "raw", "-c", f"write -P 0x11 {at + 7} 1", url], env)
    noticed("fourth", f"one byte changed in block {at // 4096}")
