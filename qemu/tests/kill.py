"""QEMU is killed with SIGKILL while the guest writes; what the guest had synced must be there, byte for byte."""

import subprocess

from harness.procs import expect, note, run, spawn
from harness.vm import Vm

AREA = 4096  # blocks of 4 KiB


def killed(t, vm, least, most):
    """Lets some batches be reported, then kills at once or a little later; gives the last report of each writer."""
    vm.synced(t.random.randrange(least, most))
    late = t.random.choice([0.0, t.random.random() * 0.3])
    if late:  # the moment of a crash is chance, and the seed gives it
        try:
            vm.process.wait(late)
        except subprocess.TimeoutExpired:
            pass
    vm.kill()
    t.store.check(t.image())
    return vm.reported


def kill_while_opening(t, url):
    """The next opener, which may be reading the log again, is killed in its turn; it writes only past the file system."""
    process = spawn(["qemu-io", "-f", "raw", "-c", "write -P 9 512M 64k", "-c", "sleep 20000", url], t.store.env(),
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(t.random.random() * 0.5)
    except subprocess.TimeoutExpired:
        pass
    process.kill()
    process.wait(30)
    t.store.check(t.image())


def check_files(vm, seed, done):
    # The kernel replays the journal and counts what is free (those counts are not in the journal);
    # after that there is nothing that e2fsck may want to change.
    vm.run("mount -t ext4 /dev/vda /mnt && umount /mnt")
    vm.run("e2fsck -f -n /dev/vda && mount -t ext4 /dev/vda /mnt")
    for i, (folder, last) in enumerate(done):
        _, text = vm.run(f"stamp fcheck /mnt/{folder} {seed + i} {last}")
        note(text[-1])


def t_files(t):
    url = t.store.url(t.image())
    seed = t.random.randrange(1 << 40)
    run(["qemu-img", "create", "-q", "-f", "raw", url, "513M"], t.store.env())
    done = []
    for round in range(t.rounds):
        with Vm(t.store, url, t.work, f"round{round}", cache=t.crash_cache) as vm:
            if round == 0:
                vm.run("mkfs.ext4 -q /dev/vda 512M && mount -t ext4 /dev/vda /mnt && sync")
            else:
                check_files(vm, seed, done)
            folder = f"round{round}"
            vm.run(f"mkdir /mnt/{folder}; sync")
            # large unsynced writes beside the small synced ones
            vm.send("(while dd if=/dev/zero of=/mnt/noise bs=64k count=96; do rm /mnt/noise; done) >/dev/null 2>&1 &"
                    f" stamp files /mnt/{folder} {seed + round} 1 1000000")
            done.append((folder, killed(t, vm, 5, 60)[""]))
        note(f"killed in round {round}, batch {done[-1][1]} was reported")
        kill_while_opening(t, url)
    with Vm(t.store, url, t.work, "last") as vm:
        check_files(vm, seed, done)
        vm.poweroff()
    with Vm(t.store, url, t.work, "clean") as vm:
        vm.run("e2fsck -f -n /dev/vda")
        vm.poweroff()


def t_prefix(t):
    """Single blocks: after the kill each writer's area is exactly the state after some write of that writer.

    Three writers, each waiting for its own writes: so three are under way at any time.
    """
    url = t.store.url(t.image())
    writers = 3
    run(["qemu-img", "create", "-q", "-f", "raw", url, f"{t.rounds * writers * AREA * 4 // 1024}M"], t.store.env())
    areas = [(base * AREA, t.random.randrange(1 << 40)) for base in range(t.rounds * writers)]
    reported = {}
    for round in range(t.rounds + 1):
        with Vm(t.store, url, t.work, f"round{round}", cache=t.crash_cache) as vm:
            # each round has areas of its own, and looks again at those before
            for base, seed in areas[:round * writers]:
                _, text = vm.run(f"stamp bcheck /dev/vda {seed} {base} {AREA} {reported.get(str(base), 0)}")
                note(text[-1])
            if round == t.rounds:
                vm.poweroff()
                break
            mine = areas[round * writers:][:writers]
            vm.send(" & ".join(f"stamp blocks /dev/vda {seed} {base} {AREA} 100000000" for base, seed in mine))
            reported.update(killed(t, vm, 5, 150))
