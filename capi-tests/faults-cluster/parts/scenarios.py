"""The faults. Each is a function of the cluster that breaks something, mends it, and gives the moment when it was mended (None: the
cluster mends itself, and what counts is the longest wait). What it says about itself:
   bites    the beat must have waited at least that long for an OSD or a monitor: a fault that nobody notices tests nothing
   options  of the cluster"""
import time

from .load import Ballast

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
    ratios(c, 0.0001, 0.0002, 0.0003)
    c.until("it is full", lambda: is_full(c))
    pause(10)
    ratios(c, 0.85, 0.9, 0.95)
    c.until("it is not full", lambda: not is_full(c))
    return now()


def is_full(c):
    pools = c.ceph("osd", "dump", json_out=True)["pools"]
    return any("full" in p["flags_names"].split(",") for p in pools if p["pool_name"] == "rbd")


def ratios(c, nearfull, backfillfull, full):
    rising = full < 0.9
    values = [("nearfull", nearfull), ("backfillfull", backfillfull), ("full", full)]
    for which, ratio in values if rising else values[::-1]:  # never one above the next
        c.ceph("osd", "set-%s-ratio" % which, "%.5f" % ratio)


@fault(90, osd=5.0)
def full_freed(c):
    """It is full until images are discarded and removed."""
    mib = 160
    ballast = [Ballast(c, who, lib, mib, how) for who, lib in c.libs for how in ("discard", "remove")]
    for b in ballast:
        b.ready()
    c.clean()
    used = max(n["utilization"] for n in c.ceph("osd", "df", json_out=True)["nodes"]) / 100
    # What half of the ballast takes.
    edge = used - len(ballast) * mib / 2048 / 8
    ratios(c, edge - 0.002, edge - 0.001, edge)
    c.until("it is full", lambda: is_full(c))
    pause(10)
    c.words = "; ".join("%s: %s in %s s" % (b.name, b.how, b.free()) for b in ballast)
    c.until("there is room", lambda: not is_full(c))
    healed = now()
    ratios(c, 0.85, 0.9, 0.95)
    for b in ballast:
        b.end()
    return healed


@fault(45, osd=5.0)
def quota(c):
    """The pool has reached its quota, and gets a larger one."""
    c.ceph("osd", "pool", "set-quota", "rbd", "max_bytes", 1000)
    c.until("it is full", lambda: is_full(c), 60)
    pause(10)
    c.ceph("osd", "pool", "set-quota", "rbd", "max_bytes", 0)
    c.until("it is not full", lambda: not is_full(c), 60)
    return now()
