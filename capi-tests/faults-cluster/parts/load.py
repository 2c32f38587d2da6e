"""What runs while something breaks, once on Ceph's libraries and once on ours: fio that verifies, the prefix checker, the beat."""
import os, re, select, signal, subprocess, time

from .cluster import HERE, Failed, clean_env


class Load:
    """Of one library. `lib` is the folder of ours, or None for Ceph's."""

    def __init__(self, cluster, name, lib, folder, seconds, fio_mib=32, crash=True, beats=16):
        self.cluster, self.name, self.folder = cluster, name, folder
        self.env = dict(clean_env(), CEPH_CONF=cluster.conf, **({"LD_LIBRARY_PATH": lib} if lib else {}))
        # Ceph's write-back cache keeps what was flushed, but what is left after a kill is no prefix of the writes.
        self.plain_conf = os.path.join(folder, name + ".conf")
        more = "log_file = %s\n    debug_rbd = 10" % os.path.join(folder, name + ".log") if lib else "rbd_cache = false"
        text = open(cluster.conf).read() + "\n[client]\n    %s\n" % more
        open(self.plain_conf, "w").write(text)
        self.procs, self.log = {}, os.path.join(folder, name + ".beat")
        self.run(["qemu-img", "create", "-q", "-f", "raw", "rbd:rbd/%s-fio:conf=%s" % (name, cluster.conf), "%dM" % fio_mib])
        self.start("beat", ["/usr/bin/python3", os.path.join(HERE, "beat.py"), "rbd", str(beats), self.log], stdin=subprocess.PIPE)
        self.start("fio", ["fio", "--name=f", "--ioengine=rbd", "--clientname=admin", "--pool=rbd", "--rbdname=%s-fio" % name, "--rw=randwrite",
                           "--bs=4k", "--iodepth=8", "--size=%dm" % fio_mib, "--rate_iops=300", "--fsync=32", "--verify=crc32c", "--verify_fatal=1",
                           "--verify_backlog=256", "--time_based", "--runtime=%d" % seconds, "--output=" + os.path.join(folder, name + ".fio.txt")])
        if crash:
            self.start("prefix", [os.path.join(folder, "crash"), "-c", self.plain_conf, "-i", name + "-crash", "-F", "-q", "8", "-M", "16", "-t", "4000", "-T", str(seconds)])

    def run(self, argv, timeout=120):
        done = subprocess.run(self.cluster.within("client", argv), env=self.env, stdin=-3, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
        if done.returncode:
            raise Failed("%s: %s" % (" ".join(argv), done.stdout.decode()[-800:]))

    def start(self, what, argv, stdin=-3):
        out = open(os.path.join(self.folder, "%s.%s.out" % (self.name, what)), "w")
        argv = ["setpriv", "--pdeathsig", "KILL", *self.cluster.within("client", argv)]
        self.procs[what] = subprocess.Popen(argv, env=self.env, stdin=stdin, stdout=out, stderr=out, cwd=self.folder, start_new_session=True)

    def ready(self, seconds=60):
        end = time.monotonic() + seconds
        while not (os.path.exists(self.log) and os.path.getsize(self.log) > 2000):
            if time.monotonic() > end or self.procs["beat"].poll() is not None:
                raise Failed("%s: nothing is written: %s" % (self.name, self.tail("beat")))
            time.sleep(0.1)

    def tail(self, what):
        text = open(os.path.join(self.folder, "%s.%s.out" % (self.name, what)), errors="replace").read()
        if what == "fio" and os.path.exists(os.path.join(self.folder, self.name + ".fio.txt")):
            text += open(os.path.join(self.folder, self.name + ".fio.txt"), errors="replace").read()
        return "\n".join(line for line in text.splitlines() if re.search(r"VIOL|verify|rror|crash|fail|lost|seed|Trace|status", line))[-1500:] or text[-600:]

    def end(self, seconds):
        """Waits for all; gives what went wrong."""
        wrong, until = [], time.monotonic() + seconds
        self.procs["beat"].stdin.close()
        for what, process in self.procs.items():
            try:
                status = process.wait(max(1, until - time.monotonic()))
                if status:
                    wrong.append("%s: status %d: %s" % (what, status, self.tail(what)))
            except subprocess.TimeoutExpired:
                wrong.append("%s hangs, %d s after all was well again" % (what, seconds))
        self.kill()
        errors = {(w, r) for w, _, _, r in self.beats() if r < 0}
        wrong += ["beat: %s got %d" % e for e in sorted(errors)[:5]]
        return wrong

    def kill(self):
        for process in self.procs.values():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    def beats(self):
        for line in open(self.log):
            parts = line.split()
            if len(parts) == 4:
                yield parts[0], float(parts[1]), float(parts[2]), int(parts[3])

    def measure(self, begin, healed):
        """(longest answer to what was asked before the end of the fault, longest that anything waited after it was healed), in seconds:
        of the OSDs, and of the monitors."""
        found = {}
        for kind in ("osd", "mon"):
            mine = [(b, e) for w, b, e, _ in self.beats() if w.startswith(kind) and e > begin]
            stall = max([e - b for b, e in mine], default=None)
            after = max([e - healed for b, e in mine if b < healed < e], default=0.0)
            found[kind] = (stall, after)
        return found


class Ballast:
    """An image that can be discarded or removed while the cluster is full (ballast.py)."""

    def __init__(self, cluster, who, lib, mib, how):
        self.name, self.how = who, how
        env = dict(clean_env(), CEPH_CONF=cluster.conf, **({"LD_LIBRARY_PATH": lib} if lib else {}))
        argv = ["/usr/bin/python3", os.path.join(HERE, "ballast.py"), "rbd", "%s-ballast-%s" % (who, how), str(mib), how]
        argv = ["setpriv", "--pdeathsig", "KILL", *cluster.within("client", argv)]
        self.process = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def hear(self, word, seconds):
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise Failed("%s: %s an image on a full cluster: nothing in %d s" % (self.name, self.how, seconds))
        line = self.process.stdout.readline()
        if not line.startswith(word):
            raise Failed("%s: %s an image on a full cluster: %s" % (self.name, self.how, line + self.process.stdout.read()))
        return line.split()[-1]

    def ready(self):
        self.hear("ready", 120)

    def free(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.hear("done", 60)

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)
