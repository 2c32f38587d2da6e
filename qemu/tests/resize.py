"""The image grows while the guest runs, and the guest notices."""

import json

from harness.procs import expect, run
from harness.vm import Vm


def size_of(t, url):
    _, text = run(["qemu-img", "info", "--output=json", "-f", "raw", url], t.store.env())
    return json.loads(text[text.index("{"):])["virtual-size"]


def resized(vm, mib):
    """The kernel says so on its console; then the block device has the new size."""
    vm.wait(lambda l: l.startswith("console ") and "new size" in l and f" {mib << 11} 512-byte" in l, 30, f"{mib} MiB")
    _, text = vm.run("cat /sys/block/vda/size")
    expect(text == [str(mib << 11)], f"the guest's disk has {text} sectors, not {mib << 11}")


def t_online(t):
    url, env = t.store.url(t.image()), t.store.env()
    seed = t.random.randrange(1 << 40)
    run(["qemu-img", "create", "-q", "-f", "raw", url, "128M"], env)
    with Vm(t.store, url, t.work, "first") as vm:
        vm.run("mkfs.ext4 -q -E resize=1073741824 /dev/vda && mount -t ext4 /dev/vda /mnt && mkdir /mnt/data")
        vm.run(f"stamp files /mnt/data {seed} 1 10")
        vm.qmp("block_resize", device="disk0", size=256 << 20)
        resized(vm, 256)
        expect(size_of(t, url) == 256 << 20, "another opener does not see 256 MiB")
        vm.run("resize2fs /dev/vda && df -m /mnt")
        vm.run("dd if=/dev/urandom of=/mnt/big bs=1M count=160 2>/dev/null && sync")
        _, before = vm.run("sha256sum /mnt/big", timeout=180)
        # a second opener resizes under the running guest; QEMU passes it on when it is told the size
        run(["qemu-img", "resize", "-f", "raw", url, "384M"], env, timeout=90)
        vm.qmp("block_resize", device="disk0", size=384 << 20)
        resized(vm, 384)
        vm.run(f"stamp files /mnt/data {seed} 11 10")
        vm.poweroff()
    with Vm(t.store, url, t.work, "second") as vm:
        vm.run("e2fsck -f -n /dev/vda && mount -t ext4 /dev/vda /mnt", timeout=180)
        vm.run(f"stamp fcheck /mnt/data {seed} 20")
        _, after = vm.run("sha256sum /mnt/big", timeout=180)
        expect(before == after, "the file written after the resize has changed")
        vm.poweroff()


def t_shrink(t):
    """What was cut off is gone: zeros when the image grows again."""
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "16M"], env)
    run(["qemu-io", "-f", "raw", "-c", "write -P 0xa1 0 16M", url], env)
    run(["qemu-img", "resize", "-q", "-f", "raw", "--shrink", url, "5000000"], env)
    _, text = run(["qemu-io", "-f", "raw", "-c", "length", url], env)
    expect(size_of(t, url) in (5000000, 5000192), f"size is {size_of(t, url)}: {text}")
    run(["qemu-img", "resize", "-q", "-f", "raw", url, "16M"], env)
    size = 5000192 if "5000192" in text else 5000000
    run(["qemu-io", "-f", "raw", "-c", f"read -P 0xa1 0 {size}", "-c", f"read -P 0 {size} {(16 << 20) - size}", url], env)
