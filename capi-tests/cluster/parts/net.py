"""Network namespaces: the daemons in one, each with an address of its own, clients in another, a router between them.

Nobody outside sees any of it, and nothing is left when the holders end: a namespace lives as long as its holder, a sleeping
process that the kernel kills with the supervisor. The router drops what goes to or comes from an address without a word,
as a broken network does: both sides keep their connections and hear nothing.
"""
import ctypes, os, subprocess

CLIENT, ROUTER_C, ROUTER_S, SERVER = "10.77.1.2", "10.77.1.1", "10.77.0.254", "10.77.0.253"
CLONE_NEWNET = 0x40000000


def mon_address(index):
    return "10.77.0.%d" % (1 + index)


def osd_address(osd):
    return "10.77.0.%d" % (100 + osd)


MGR_ADDRESS = "10.77.0.50"


class Net:
    def __init__(self, mons, osds):
        self.holders = {}
        for name in ("client", "router", "server", "proxied"):
            self.holders[name] = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "-n", "sleep", "infinity"],
                                                  stdin=-3, stdout=-3, stderr=-3, start_new_session=True)
        own = os.readlink("/proc/self/ns/net")
        for holder in self.holders.values():
            while os.readlink("/proc/%d/ns/net" % holder.pid) == own:
                os.sched_yield()
                if holder.poll() is not None:
                    raise OSError("no network namespaces here: unshare -n ended with %d" % holder.returncode)
        self.names = {"mon." + name: mon_address(i) for i, name in enumerate(mons)}
        self.names.update({"osd.%d" % i: osd_address(i) for i in range(osds)}, **{"mgr.x": MGR_ADDRESS})
        self.cuts = set()
        for a, b in (("client", "router"), ("router", "server")):
            self.ip(a, "link", "add", "to-" + b, "type", "veth", "peer", "name", "to-" + a, "netns", str(self.holders[b].pid))
        for where, link, address in (("client", "router", CLIENT), ("router", "client", ROUTER_C), ("router", "server", ROUTER_S), ("server", "router", SERVER)):
            self.ip(where, "addr", "add", address + "/24", "dev", "to-" + link)
            self.ip(where, "link", "set", "to-" + link, "up")
            self.ip(where, "link", "set", "lo", "up")
        for address in self.names.values():
            self.ip("server", "addr", "add", address + "/24", "dev", "to-router")
        # A second place for clients, where all the daemons' addresses are local: a proxy there can play the daemons.
        self.ip("proxied", "link", "set", "lo", "up")
        for address in self.names.values():
            self.ip("proxied", "addr", "add", address + "/32", "dev", "lo")
        self.ip("client", "route", "add", "default", "via", ROUTER_C)
        self.ip("server", "route", "add", "default", "via", ROUTER_S)
        self.within("router", ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])

    def path(self, where):
        return "/proc/%d/ns/net" % self.holders[where].pid

    def within(self, where, argv):
        done = subprocess.run(["nsenter", "--net=" + self.path(where), *argv], stdin=-3, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
        if done.returncode:
            raise OSError("%s: %s" % (" ".join(argv), done.stdout.decode()))

    def ip(self, where, *argv):
        self.within(where, ["ip", *argv])

    def enter_server(self):
        """For a process that has one thread: it, and all that it starts from now on."""
        fd = os.open(self.path("server"), os.O_RDONLY)
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(fd)

    def cut(self, name):
        """Nothing goes between the clients and this daemon any more (`all`: any daemon)."""
        if name not in self.cuts:
            self.rules("add", name)
            self.cuts.add(name)

    def heal(self, name):
        if name in self.cuts:
            self.rules("del", name)
            self.cuts.remove(name)

    def rules(self, verb, name):
        address = CLIENT if name == "all" else self.names[name]
        for way in ("from", "to"):
            self.ip("router", "rule", verb, way, address, "prio", "100", "blackhole")

    def stop(self):
        for holder in self.holders.values():
            holder.kill()
            holder.wait()
