"""What a cluster's OSDs did: CPU of their processes, operations and bytes by their counters."""
import json
import os
import socket
import struct
import subprocess

TICK = os.sysconf("SC_CLK_TCK")
# All of an OSD's client operations: what reads and writes at once (a class call, a checked append) is in none of op_r and op_w.
COUNTERS = {"ops": "op", "bytes_in": "op_in_bytes", "bytes_out": "op_out_bytes"}


def perf(asok):
    """The admin socket's protocol: a command that ends with a zero byte, an answer behind its length."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.connect(asok)
        s.sendall(b'{"prefix": "perf dump"}\0')
        stream = s.makefile("rb")
        length, = struct.unpack(">I", stream.read(4))
        return json.loads(stream.read(length))


class Osds:
    def __init__(self, program, folder, count):
        out = subprocess.run([program, "ctl", folder, "pid", "osd.*"], stdout=subprocess.PIPE, check=True, text=True, timeout=30).stdout
        self.pids = [int(pid) for pid in out.split()]
        self.sockets = [os.path.join(folder, f"asok.osd.{n}") for n in range(count)]

    def snapshot(self):
        cpu = 0
        for pid in self.pids:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            cpu += (int(fields[11]) + int(fields[12])) / TICK
        result = {"cpu_s": cpu, **dict.fromkeys(COUNTERS, 0)}
        for asok in self.sockets:
            osd = perf(asok)["osd"]
            for name, counter in COUNTERS.items():
                result[name] += osd[counter]
        return result


def between(before, after):
    return {key: after[key] - before[key] for key in before}
