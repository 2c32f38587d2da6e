"""A client that always asks for something, and notes how long each answer took: the time to recover from a fault.

  beat.py POOL OBJECTS LOG      writes OBJECTS objects for ever, one request each at a time, and asks the monitors for their map
  beat.py POOL once             connects, writes, reads back, and prints the seconds that it took

Run under /usr/bin/python3, with the librados that is to be measured on LD_LIBRARY_PATH. A line of LOG is `WHAT BEGIN END RESULT`, in
seconds of the monotonic clock, which all processes of a machine share.
"""
import json, os, sys, threading, time
import rados


def once(pool):
    begun = time.monotonic()
    with rados.Rados(conffile=os.environ["CEPH_CONF"]) as cluster, cluster.open_ioctx(pool) as io:
        data = os.urandom(5000)
        name = "once-" + data[:6].hex()
        io.write_full(name, data)
        if io.read(name, 8192) != data:
            sys.exit("read back something else")
        print("%.3f" % (time.monotonic() - begun), flush=True)


def main():
    pool = sys.argv[1]
    if sys.argv[2] == "once":
        return once(pool)
    log, lock, stop = open(sys.argv[3], "w", buffering=1), threading.Lock(), threading.Event()
    cluster = rados.Rados(conffile=os.environ["CEPH_CONF"])
    cluster.connect()

    def note(what, begun, result):
        with lock:
            log.write("%s %.4f %.4f %d\n" % (what, begun, time.monotonic(), result))

    def write(number):
        with cluster.open_ioctx(pool) as io:
            while not stop.is_set():
                begun = time.monotonic()
                try:
                    io.write_full("beat-%s-%d" % (os.getpid(), number), b"%.6f" % begun * 100)
                    note("osd%d" % number, begun, 0)
                except rados.Error as e:
                    note("osd%d" % number, begun, -(getattr(e, "errno", None) or 1))
                stop.wait(0.05)

    def ask():
        while not stop.is_set():
            begun = time.monotonic()
            result, _, _ = cluster.mon_command(json.dumps({"prefix": "mon dump", "format": "json"}), b"")
            note("mon", begun, result)
            stop.wait(0.1)

    threads = [threading.Thread(target=write, args=(n,), daemon=True) for n in range(int(sys.argv[2]))]
    threads.append(threading.Thread(target=ask, daemon=True))
    for thread in threads:
        thread.start()
    sys.stdin.read()  # the runner closes it when the fault is over
    stop.set()
    for thread in threads:
        thread.join(60)
    os._exit(1 if any(t.is_alive() for t in threads) else 0)


main()
