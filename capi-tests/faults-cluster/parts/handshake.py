"""Connections that are cut at every stage of the handshake: the client tries again, and its first write and read are right."""
import os, subprocess

from .cluster import HERE, Failed, clean_env

# Banner 26 bytes; HELLO to 98; then authentication, signature, idents, the first messages. A byte inside and the edges.
BYTES = (0, 1, 25, 26, 60, 98, 150, 172, 220, 300, 400, 475, 560, 700, 900, 1100, 1500, 3000)
CONNECTIONS = 2  # the first ones are cut, each at the same byte


def run(Cluster, libs, folder):
    cluster = Cluster(["--osds", "1", "--mons", "1"])
    proxy = None
    try:
        places = set()
        for mon in cluster.ceph("mon", "dump", json_out=True)["mons"]:
            places |= {a["addr"] for a in mon["public_addrs"]["addrvec"]}
        for osd in cluster.ceph("osd", "dump", json_out=True)["osds"]:
            places |= {a["addr"] for a in osd["public_addrs"]["addrvec"]}
        places |= {a["addr"] for a in cluster.ceph("mgr", "dump", json_out=True)["active_addrs"]["addrvec"]}
        argv = ["setpriv", "--pdeathsig", "KILL", "/usr/bin/python3", os.path.join(HERE, "proxy.py"), cluster.info["CLUSTER_NETNS_SERVER"], *sorted(places)]
        proxy = subprocess.Popen(cluster.within("proxied", argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if proxy.stdout.readline() != "ready\n":
            raise Failed("the proxy does not start")
        wrong, worst, noticed = [], {who: (0.0, "") for who, _ in libs}, {who: 0 for who, _ in libs}
        for way in ("up", "down"):
            for count in BYTES:
                for who, lib in libs:
                    env = dict(clean_env(), CEPH_CONF=cluster.conf, **({"LD_LIBRARY_PATH": lib} if lib else {}))
                    proxy.stdin.write("%s %d\n" % (way, count) * CONNECTIONS)
                    proxy.stdin.flush()
                    try:
                        done = subprocess.run(cluster.within("proxied", ["/usr/bin/python3", os.path.join(HERE, "beat.py"), "rbd", "once"]), env=env,
                                              stdin=-3, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, text=True)
                        status, text = done.returncode, done.stdout
                    except subprocess.TimeoutExpired:
                        status, text = "timeout", "hangs for 60 s"
                    proxy.stdin.write("go\n")
                    proxy.stdin.flush()
                    noticed[who] += int(proxy.stdout.readline()) > 0
                    if status:
                        wrong.append("%s: cut after %d bytes %s: status %s: %s" % (who, count, way, status, text.strip()[-300:]))
                    else:
                        worst[who] = max(worst[who], (float(text.split()[-1]), "%s %d" % (way, count)))
        if min(noticed.values()) < len(BYTES):
            wrong.append("few connections were cut: %s" % noticed)
        cells = ["%s: longest %.1f s (%s), cut in %d of %d runs" % (who, *worst[who], noticed[who], 2 * len(BYTES)) for who, _ in libs]
        return wrong, "; ".join(cells)
    finally:
        if proxy:
            proxy.kill()
        cluster.stop()
