"""An image full of data, which gives its room back on a cluster that is full.

  ballast.py POOL NAME MIB discard|remove

Prints `ready` when the image is written, waits for a line, discards or removes it, prints `done SECONDS`, and waits for the end of its input
with the discarded image open. All of it with rados_set_pool_full_try: without, Ceph's library waits for room even to make room.
"""
import ctypes, os, sys, time

rados, rbd = ctypes.CDLL("librados.so.2"), ctypes.CDLL("librbd.so.1")


def ok(what, result):
    if result < 0:
        sys.exit("%s: %d" % (what, result))


def main():
    pool, name, size, how = sys.argv[1].encode(), sys.argv[2].encode(), int(sys.argv[3]) << 20, sys.argv[4]
    cluster, io, image, order = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int(0)
    ok("rados_create", rados.rados_create(ctypes.byref(cluster), b"admin"))
    ok("conf", rados.rados_conf_read_file(cluster, os.environ["CEPH_CONF"].encode()))
    ok("rados_connect", rados.rados_connect(cluster))
    ok("rados_ioctx_create", rados.rados_ioctx_create(cluster, pool, ctypes.byref(io)))
    rados.rados_set_pool_full_try(io)
    # The first removal in a pool makes the trash, which Ceph's library cannot when it is full.
    ok("rbd_create", rbd.rbd_create(io, name + b".small", ctypes.c_uint64(1 << 20), ctypes.byref(order)))
    ok("rbd_remove", rbd.rbd_remove(io, name + b".small"))
    ok("rbd_create", rbd.rbd_create(io, name, ctypes.c_uint64(size), ctypes.byref(order)))
    ok("rbd_open", rbd.rbd_open(io, name, ctypes.byref(image), None))
    part = 4 << 20
    for at in range(0, size, part):
        ok("rbd_write", rbd.rbd_write(image, ctypes.c_uint64(at), ctypes.c_size_t(part), os.urandom(part)))
    ok("rbd_flush", rbd.rbd_flush(image))
    if how == "remove":
        ok("rbd_close", rbd.rbd_close(image))
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.monotonic()
    if how == "remove":
        ok("rbd_remove", rbd.rbd_remove(io, name))
    else:
        ok("rbd_discard", rbd.rbd_discard(image, ctypes.c_uint64(0), ctypes.c_uint64(size)))
        ok("rbd_flush", rbd.rbd_flush(image))
    print("done %.1f" % (time.monotonic() - begun), flush=True)
    sys.stdin.read()
    os._exit(0)


main()
