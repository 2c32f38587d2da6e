"""Orders to a cluster that runs: its supervisor listens on a socket in the cluster's folder, one order a connection.

  kill NAME...    SIGKILL, and waits for the end         start NAME...   starts it again
  term NAME...    SIGTERM, and waits for the end         pid NAME...     prints the process ids
  stop NAME...    SIGSTOP                                cut NAME...     clients and this daemon hear nothing of each other (--net only)
  cont NAME...    SIGCONT                                heal NAME...    and again they do; `all` is the whole network of the clients

NAME is osd.0, mon.a, mgr.x, or a pattern: 'osd.*'.
"""
import fnmatch, json, os, signal, socket, subprocess

SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP, "cont": signal.SIGCONT}
VERBS = (*SIGNALS, "start", "pid", "cut", "heal")


class Refused(Exception):
    pass


def chosen(cluster, names, verb):
    known = [*cluster.daemons, *(["all"] if verb in ("cut", "heal") else [])]
    found = []
    for name in names:
        match = [n for n in known if fnmatch.fnmatch(n, name) and (n != "all" or name == "all")]
        if not match:
            raise Refused("there is no %s; there are %s" % (name, " ".join(known)))
        found += match
    return found


def obey(cluster, verb, names):
    """Gives the lines to print."""
    names = chosen(cluster, names, verb)
    if verb in ("cut", "heal"):
        if not cluster.net:
            raise Refused("%s needs a cluster with --net" % verb)
        for name in names:
            getattr(cluster.net, verb)(name)
        return []
    if verb == "start":
        for name in names:
            if cluster.daemons[name].poll() is not None:
                cluster.spawn(name)
        return []
    for name in names:
        child = cluster.daemons[name]
        if child.poll() is not None:
            if verb == "pid":
                raise Refused("%s does not run" % name)
            continue
        if verb in ("kill", "term"):
            cluster.expected.add(child.pid)
            # One that is stopped does not hear of SIGTERM.
            child.send_signal(signal.SIGCONT)
        if verb != "pid":
            child.send_signal(SIGNALS[verb])
        if verb in ("kill", "term"):
            try:
                child.wait(60)
            except subprocess.TimeoutExpired:
                raise Refused("%s does not end" % name) from None
    return [str(cluster.daemons[n].pid) for n in names] if verb == "pid" else []


def listen(folder):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(os.path.join(folder, "ctl"))
    server.listen(16)
    return server


def serve(cluster, server):
    """One order. Whoever asks waits for the answer, so orders do not overlap."""
    connection, _ = server.accept()
    with connection:
        connection.settimeout(5)
        try:
            verb, *names = json.loads(connection.makefile().readline())
            answer = {"lines": obey(cluster, verb, names)}
        except (Refused, OSError, ValueError, subprocess.TimeoutExpired) as e:
            answer = {"error": str(e)}
        try:
            connection.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            pass


def order(folder, verb, names):
    """The other side: gives the lines, or raises Refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        try:
            s.connect(os.path.join(folder, "ctl"))
        except OSError as e:
            raise Refused("no cluster listens in %s: %s" % (folder, e)) from None
        s.sendall(json.dumps([verb, *names]).encode() + b"\n")
        answer = json.loads(s.makefile().readline() or '{"error": "the supervisor died"}')
    if "error" in answer:
        raise Refused(answer["error"])
    return answer["lines"]
