"""Run as a program, with the library that is to be used on LD_LIBRARY_PATH: creates, deletes or measures a pool.

    pool.py create|delete|stat CEPH_CONF POOL     the last word that create prints is the librados in use
"""

import ctypes
import sys


class PoolStat(ctypes.Structure):
    names = "bytes kb objects clones copies missing unfound degraded rd rd_kb wr wr_kb"
    # what follows in rados/librados.h is not needed here, but is written by the call
    _fields_ = [(name, ctypes.c_uint64) for name in names.split()] + [("more", ctypes.c_uint64 * 8)]


def main():
    rados = ctypes.CDLL("librados.so.2")
    verb, conf, pool = sys.argv[1:4]
    cluster, io = ctypes.c_void_p(), ctypes.c_void_p()

    def call(name, *args, allow=()):
        got = getattr(rados, name)(*args)
        if got < 0 and -got not in allow:
            sys.exit(f"{name}: {got}")

    call("rados_create", ctypes.byref(cluster), None)
    call("rados_conf_read_file", cluster, conf.encode())
    call("rados_connect", cluster)
    if verb == "create":
        call("rados_pool_create", cluster, pool.encode(), allow=[17])
        with open("/proc/self/maps") as maps:
            print(next(line.split()[-1] for line in maps if "librados.so" in line))
    elif verb == "delete":
        call("rados_pool_delete", cluster, pool.encode())
    elif verb == "stat":
        stat = PoolStat()
        call("rados_ioctx_create", cluster, pool.encode(), ctypes.byref(io))
        call("rados_ioctx_pool_stat", io, ctypes.byref(stat))
        rados.rados_ioctx_destroy(io)
        print(stat.objects, stat.bytes)
    rados.rados_shutdown(cluster)


main()
