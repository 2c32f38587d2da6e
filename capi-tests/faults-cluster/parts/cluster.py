"""The cluster under test: orders to it, and waiting for a state of it. Runs in the daemons' network, which is never cut."""
import json, os, subprocess, time

HERE = os.path.dirname(os.path.realpath(__file__))
PROGRAM = os.path.join(HERE, "..", "..", "cluster", "cluster")


class Failed(Exception):
    pass


def clean_env():
    return {k: v for k, v in os.environ.items() if not k.startswith(("CEPH_", "LD_"))}


class Cluster:
    def __init__(self, options):
        argv = [PROGRAM, "start", "--net", "--owner", str(os.getpid()), "--max-seconds", "7200", *options]
        out = subprocess.run(argv, stdout=subprocess.PIPE, timeout=300, check=True).stdout.decode()
        self.info = dict(line.split("=", 1) for line in out.split())
        self.conf, self.dir = self.info["CEPH_CONF"], self.info["CLUSTER_DIR"]

    def stop(self):
        subprocess.run([PROGRAM, "stop", self.dir], timeout=120)

    def ctl(self, verb, *names):
        done = subprocess.run([PROGRAM, "ctl", self.dir, verb, *names], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        if done.returncode:
            raise Failed(done.stdout.decode())
        return done.stdout.decode().split()

    def within(self, where, argv):
        key = {"client": "CLUSTER_NETNS", "server": "CLUSTER_NETNS_SERVER", "proxied": "CLUSTER_NETNS_PROXIED"}[where]
        return ["nsenter", "--net=" + self.info[key], *argv]

    def ceph(self, *words, timeout=60, json_out=False):
        argv = ["ceph", "-c", self.conf, *map(str, words)] + (["--format", "json"] if json_out else [])
        done = subprocess.run(self.within("server", argv), env=clean_env(), stdin=-3, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        if done.returncode:
            raise Failed("ceph %s: %s" % (" ".join(map(str, words)), done.stderr.decode()[-500:]))
        return json.loads(done.stdout) if json_out else done.stdout.decode()

    def until(self, what, check, seconds=120):
        end = time.monotonic() + seconds
        while not check():
            if time.monotonic() > end:
                raise Failed("not within %d s: %s" % (seconds, what))
            time.sleep(0.3)  # the monitors have no event for it that a command could wait for

    def state(self):
        status = self.ceph("status", json_out=True)
        return {p["state_name"]: p["count"] for p in status["pgmap"].get("pgs_by_state", [])}, status

    def clean(self, seconds=180):
        def check():
            states, status = self.state()
            return states.get("active+clean") == status["pgmap"]["num_pgs"]
        self.until("placement groups active+clean", check, seconds)
