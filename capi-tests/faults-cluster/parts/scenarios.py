"""The faults. Each is a function of the cluster that breaks something, mends it, and gives the moment when it was mended (None: the
cluster mends itself, and what counts is the longest wait). What it says about itself:
   bites    the beat must have waited at least that long for an OSD or a monitor: a fault that nobody notices tests nothing
   options  of the cluster"""
import time

now = time.monotonic
ALL = {}


def fault(seconds, osd=0.0, mon=0.0, options=()):
    def add(function):
        function.seconds, function.bites, function.options = seconds, {"osd": osd, "mon": mon}, tuple(options)
        ALL[function.__name__.replace("_", "-")] = function
        return function
    return add


def pause(seconds):
    """How long a fault lasts."""
    time.sleep(seconds)


@fault(35, osd=1.0)
def osd_killed(c):
    """An OSD is killed, and starts again."""
    c.ctl("kill", "osd.1")
    pause(12)
    c.ctl("start", "osd.1")
    c.clean()


@fault(30)
def primary_changed(c):
    """Another OSD becomes primary, by affinity and by pg-temp, and back."""
    for osd in (0, 1, 2):
        c.ceph("osd", "primary-affinity", "osd.%d" % osd, 0)
        pause(3)
        c.ceph("osd", "primary-affinity", "osd.%d" % osd, 1)
    for pg in c.ceph("pg", "ls-by-pool", "rbd", json_out=True)["pg_stats"]:
        up = pg["up"]
        c.ceph("osd", "pg-temp", pg["pgid"], *["osd.%d" % o for o in up[1:] + up[:1]])
    pause(3)
    c.clean()


@fault(45)
def pg_split(c):
    """The pool's placement groups are split, and merged again."""
    c.ceph("osd", "pool", "set", "rbd", "pg_num", 32)
    c.ceph("osd", "pool", "set", "rbd", "pgp_num", 32)
    c.until("32 placement groups", lambda: c.ceph("osd", "pool", "get", "rbd", "pg_num", json_out=True)["pg_num"] == 32)
    c.clean()


@fault(40, options=["--size", "2"])
def crush_rule(c):
    """The pool moves to a rule that takes other OSDs."""
    for osd in (0, 1, 2):
        c.ceph("osd", "crush", "rm-device-class", "osd.%d" % osd)
        c.ceph("osd", "crush", "set-device-class", "one" if osd else "two", "osd.%d" % osd)
    c.ceph("osd", "crush", "rule", "create-replicated", "ones", "default", "osd", "one")
    c.ceph("osd", "pool", "set", "rbd", "crush_rule", "ones")
    pause(5)
    c.clean()
    c.ceph("osd", "pool", "set", "rbd", "crush_rule", "replicated_rule")
    c.clean()


@fault(40)
def out_and_in(c):
    """An OSD goes out, its data moves, it comes in again."""
    c.ceph("osd", "out", 2)
    pause(8)
    c.ceph("osd", "in", 2)
    c.clean()


@fault(35)
def mon_leader_killed(c):
    leader = c.ceph("quorum_status", json_out=True)["quorum_leader_name"]
    c.ctl("kill", "mon." + leader)
    pause(12)
    c.ctl("start", "mon." + leader)
    c.until("all monitors", lambda: len(c.ceph("quorum_status", json_out=True)["quorum"]) == 3)


@fault(110, mon=30.0)
def mons_stopped(c):
    """All monitors stand still for a minute."""
    c.ctl("stop", "mon.*")
    pause(60)
    c.ctl("cont", "mon.*")
    healed = now()
    c.until("a quorum", lambda: len(c.ceph("quorum_status", json_out=True)["quorum"]) == 3)
    return healed


@fault(90, mon=20.0)
def mons_killed(c):
    """All monitors are gone for a while, and start again."""
    c.ctl("kill", "mon.*")
    pause(30)
    c.ctl("start", "mon.*")
    healed = now()
    c.until("a quorum", lambda: len(c.ceph("quorum_status", json_out=True)["quorum"]) == 3)
    return healed


@fault(45, osd=15.0)
def cut_from_one(c):
    """The clients and one OSD hear nothing of each other; all others see no fault."""
    c.ctl("cut", "osd.0")
    pause(18)
    c.ctl("heal", "osd.0")
    return now()


@fault(45, osd=15.0, mon=10.0)
def cut_from_all(c):
    c.ctl("cut", "all")
    pause(18)
    c.ctl("heal", "all")
    return now()


@fault(70, osd=30.0, mon=20.0)
def cut_longer_than_lock(c):
    """Cut off for longer than the watch that guards the exclusive lock lives (10 s here)."""
    c.ctl("cut", "all")
    pause(35)
    c.ctl("heal", "all")
    return now()


@fault(100, options=["--conf", "auth_service_ticket_ttl = 20", "--conf", "auth_mon_ticket_ttl = 40"])
def tickets_expire(c):
    """Tickets live for 20 s; OSDs that come back ask for new ones."""
    for osd in (0, 1, 2):
        pause(22)
        c.ctl("kill", "osd.%d" % osd)
        pause(1)
        c.ctl("start", "osd.%d" % osd)
    c.clean()


@fault(60, osd=5.0)
def full(c):
    """The cluster is full, by a ratio that it has passed already, and has room again."""
    for which, ratio in (("nearfull", 0.0001), ("backfillfull", 0.0002), ("full", 0.0003)):
        c.ceph("osd", "set-%s-ratio" % which, ratio)
    c.until("it is full", lambda: "full" in c.ceph("osd", "dump", json_out=True)["flags"] or "OSD_FULL" in c.ceph("health", json_out=True)["checks"])
    pause(10)
    for which, ratio in (("full", 0.95), ("backfillfull", 0.9), ("nearfull", 0.85)):
        c.ceph("osd", "set-%s-ratio" % which, ratio)
    c.until("it is not full", lambda: "OSD_FULL" not in c.ceph("health", json_out=True)["checks"])
    return now()
