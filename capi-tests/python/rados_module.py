#!/usr/bin/python3
"""Debian's python3-rados, used as a program would: prints a transcript that must be the same on Ceph's librados and a
cluster as on ours and a local store. The configuration comes from CEPH_CONF; the argument is a pool that may be used.
"""
import os, sys, threading
import rados

SAY = print


def attempt(what, call, *args, **kwargs):
    """Prints what a call answers, or the errno that it raises."""
    try:
        SAY(what, "->", call(*args, **kwargs))
    except rados.Error as error:
        SAY(what, "-> raises", type(error).__name__, error.errno if isinstance(error, rados.OSError) else "")


def objects(io):
    OBJ = "py-" + os.urandom(4).hex()
    io.write_full(OBJ, b"hello world")
    attempt("read", io.read, OBJ)
    attempt("read part", io.read, OBJ, 5, 6)
    attempt("read nothing there", io.read, OBJ + "-none")
    attempt("stat size", lambda: io.stat(OBJ)[0])
    attempt("append", io.append, OBJ, b"!")
    attempt("write", io.write, OBJ, b"J", 0)
    attempt("read", io.read, OBJ)
    attempt("trunc", io.trunc, OBJ, 4)
    attempt("writesame", io.writesame, OBJ, b"ab", 8, 4)
    attempt("read", io.read, OBJ)
    attempt("cmpext equal", io.cmpext, OBJ, b"Jell", 0)
    attempt("cmpext differs", io.cmpext, OBJ, b"Jelx", 0)
    attempt("large", io.write_full, OBJ + "-big", b"x" * 3000000)
    attempt("read large", lambda: len(io.read(OBJ + "-big", 4000000)))
    attempt("exec", io.execute, OBJ, "nosuch", "method", b"")
    attempt("remove large", io.remove_object, OBJ + "-big")
    attempt("remove again", io.remove_object, OBJ + "-big")
    io.write_full(OBJ, b"u")  # versions of one object can be compared, those of two need not grow
    version = io.get_last_version()
    io.write_full(OBJ, b"v")
    SAY("version grew", io.get_last_version() > version)
    io.remove_object(OBJ)


def xattrs(io):
    OBJ = "py-" + os.urandom(4).hex()
    attempt("set", io.set_xattr, OBJ, "a", b"1")
    io.set_xattr(OBJ, "b", b"")
    io.set_xattr(OBJ, "c", b"x\0y" * 3000)
    attempt("get", io.get_xattr, OBJ, "a")
    attempt("get empty", io.get_xattr, OBJ, "b")
    attempt("get long", lambda: len(io.get_xattr(OBJ, "c")))
    attempt("get none", io.get_xattr, OBJ, "d")
    attempt("all", lambda: [(name, len(value)) for name, value in io.get_xattrs(OBJ)])
    attempt("remove", io.rm_xattr, OBJ, "a")
    attempt("all", lambda: [name for name, _ in io.get_xattrs(OBJ)])
    io.remove_object(OBJ)


def omap(io):
    OBJ = "py-" + os.urandom(4).hex()
    with rados.WriteOpCtx() as op:
        op.new(0)
        io.set_omap(op, ("k1", "k2", "other", "k3"), (b"v1", b"v\0 2", b"", b"v3" * 1000))
        op.set_xattr("attr", b"with it")
        op.write_full(b"data")
        attempt("write op", io.operate_write_op, op, OBJ)

    def query(what, make):
        with rados.ReadOpCtx() as op:
            it, code = make(op)
            attempt(what, io.operate_read_op, op, OBJ)
            SAY("  ", code, [(key, value if value is None or len(value) < 10 else len(value)) for key, value in it])

    query("vals", lambda op: io.get_omap_vals(op, "", "", 10))
    query("vals with a prefix", lambda op: io.get_omap_vals(op, "k1", "k", 1))
    query("keys", lambda op: io.get_omap_keys(op, "", 2))
    query("vals by keys", lambda op: io.get_omap_vals_by_keys(op, ("k3", "none", "k1")))
    with rados.WriteOpCtx() as op:
        io.remove_omap_keys(op, ("k1", "none"))
        attempt("remove keys", io.operate_write_op, op, OBJ)
    with rados.WriteOpCtx() as op:
        io.remove_omap_range2(op, "k2", "k3")
        attempt("remove range", io.operate_write_op, op, OBJ)
    query("keys", lambda op: io.get_omap_keys(op, "", 10))
    with rados.WriteOpCtx() as op:
        op.new(rados.LIBRADOS_CREATE_EXCLUSIVE)
        attempt("exclusive create", io.operate_write_op, op, OBJ)
    with rados.WriteOpCtx() as op:
        op.assert_version(io.get_last_version() + 5)
        op.remove()
        attempt("assert version", io.operate_write_op, op, OBJ)
    with rados.WriteOpCtx() as op:
        op.omap_cmp("other", "x")
        op.remove()
        attempt("omap_cmp", io.operate_write_op, op, OBJ)
    with rados.WriteOpCtx() as op:
        io.clear_omap(op)
        attempt("clear", io.operate_write_op, op, OBJ)
    query("keys", lambda op: io.get_omap_keys(op, "", 10))
    with rados.ReadOpCtx() as op:
        io.get_omap_vals(op, "", "", 10)
        attempt("on nothing", io.operate_read_op, op, OBJ + "-none")
    io.remove_object(OBJ)


def asynchronous(io):
    OBJ = "py-" + os.urandom(4).hex()
    called = []
    one = io.aio_write(OBJ, b"asynchronous", 0, lambda c: called.append(("write", c.get_return_value())))
    one.wait_for_complete_and_cb()
    SAY("write", one.is_complete(), one.get_return_value(), called)
    done = threading.Event()
    data = []

    def have_read(completion, buf):
        data.append((completion.get_return_value(), buf))
        done.set()

    two = io.aio_read(OBJ, 100, 3, have_read)
    done.wait(30)
    two.wait_for_complete_and_cb()
    SAY("read", two.get_return_value(), data)
    many, order = [], []
    for n in range(200):
        many.append(io.aio_append(OBJ, b"%03d" % n, lambda c, n=n: order.append(n)))
    io.aio_flush()
    for completion in many:
        completion.wait_for_complete_and_cb()
    SAY("callbacks", len(order), sorted(order) == list(range(200)))
    SAY("appended in order", io.read(OBJ, 1000)[12:] == b"".join(b"%03d" % n for n in range(200)))
    # A callback may make calls, synchronous ones too.
    inside = []

    def from_inside(completion):
        inside.append(io.stat(OBJ)[0])
        io.write_full(OBJ + "-2", b"made in a callback")

    io.aio_write_full(OBJ, b"short", from_inside).wait_for_complete_and_cb()
    SAY("inside a callback", inside, io.read(OBJ + "-2"))
    stats = []
    three = io.aio_stat(OBJ, lambda c, size, mtime: stats.append((c.get_return_value(), size)))
    three.wait_for_complete_and_cb()
    SAY("stat", stats)
    for name in (OBJ, OBJ + "-2", OBJ + "-none"):
        gone = io.aio_remove(name)
        gone.wait_for_complete()
        SAY("remove", gone.get_return_value())
    nothing = io.aio_read(OBJ, 10, 0, lambda c, buf: None)
    nothing.wait_for_complete_and_cb()
    SAY("read nothing", nothing.get_return_value())


def watching(cluster, io):
    OBJ = "py-" + os.urandom(4).hex()
    attempt("watch nothing", io.watch, OBJ, lambda *args: None)
    io.write_full(OBJ, b"x")
    heard = []

    def on_notify(notify_id, notifier_id, watch_id, data):
        heard.append((notifier_id == cluster.get_instance_id(), data))

    watch = io.watch(OBJ, on_notify)
    SAY("watched since less than a minute", watch.check().total_seconds() < 60)
    SAY("notify", io.notify(OBJ, "first", 5000))
    SAY("notify", io.notify(OBJ, "", 5000))
    SAY("heard", heard)
    watch.close()
    SAY("notify", io.notify(OBJ, "nobody hears", 5000), len(heard))
    io.remove_object(OBJ)


def locks(io):
    OBJ = "py-" + os.urandom(4).hex()
    attempt("lock", io.lock_exclusive, OBJ, "lock", "cookie", "desc", 100)
    attempt("again", io.lock_exclusive, OBJ, "lock", "cookie")
    attempt("other cookie", io.lock_exclusive, OBJ, "lock", "cookie2")
    attempt("shared", io.lock_shared, OBJ, "lock", "cookie", "tag")
    attempt("unlock", io.unlock, OBJ, "lock", "cookie")
    attempt("unlock again", io.unlock, OBJ, "lock", "cookie")
    attempt("shared", io.lock_shared, OBJ, "lock", "c1", "tag")
    attempt("shared", io.lock_shared, OBJ, "lock", "c2", "tag")
    io.remove_object(OBJ)


def names_and_lists(cluster, io):
    space = "py-" + os.urandom(4).hex()
    io.set_namespace(space)
    SAY("empty", list(io.list_objects()))
    for n in range(7):
        io.write_full("o%d" % n, b"x")
    io.set_locator_key("place")
    io.write_full("keyed", b"y")
    io.set_locator_key("")
    SAY("listed", sorted((o.key, o.locator_key, o.nspace == space) for o in io.list_objects()))
    io.set_namespace(rados.LIBRADOS_ALL_NSPACES)
    found = [o for o in io.list_objects() if o.nspace == space]
    SAY("in all namespaces", len(found))
    io.set_namespace(space)
    for o in list(io.list_objects()):
        SAY("removing", attempt_read(o)) if o.key == "keyed" else None
        o.remove()
    SAY("empty", list(io.list_objects()))
    io.set_namespace("")
    SAY("pool exists", cluster.pool_exists(io.name), cluster.pool_exists("py-none"))
    SAY("lookup", cluster.pool_lookup(io.name) == io.get_pool_id(), cluster.pool_lookup("py-none"))
    SAY("reverse", cluster.pool_reverse_lookup(io.get_pool_id()) == io.name)
    attempt("open nothing", cluster.open_ioctx, "py-none")
    pool = "py-" + os.urandom(4).hex()
    attempt("create pool", cluster.create_pool, pool)
    attempt("create pool again", cluster.create_pool, pool)
    SAY("in the list", pool in cluster.list_pools())
    attempt("delete pool", cluster.delete_pool, pool)
    attempt("delete pool again", cluster.delete_pool, pool)


def attempt_read(o):
    return o.read()


def applications(cluster):
    pool = "py-" + os.urandom(4).hex()
    cluster.create_pool(pool)
    with cluster.open_ioctx(pool) as io:
        SAY("apps", io.application_list())
        attempt("enable", io.application_enable, "app1")
        attempt("second", io.application_enable, "app2")
        attempt("forced", io.application_enable, "app2", True)
        SAY("apps", sorted(io.application_list()))
        attempt("set", io.application_metadata_set, "app1", "key1", "val1")
        attempt("set", io.application_metadata_set, "app1", "key2", "val2")
        attempt("get", io.application_metadata_get, "app1", "key1")
        attempt("list", lambda: sorted(io.application_metadata_list("app1")))
        attempt("remove", io.application_metadata_remove, "app1", "key1")
        attempt("list", io.application_metadata_list, "app1")
        attempt("of none", io.application_metadata_list, "app9")
    cluster.delete_pool(pool)


def main(pool):
    cluster = rados.Rados(conffile="", rados_id="admin")
    SAY("state", cluster.state)
    cluster.connect(timeout=30)
    SAY("state", cluster.state, len(cluster.get_fsid()), sorted(cluster.get_cluster_stats()), cluster.get_instance_id() > 0)
    attempt("connect again", cluster.connect)
    with cluster.open_ioctx(pool) as io:
        for section in (objects, xattrs, omap, asynchronous, locks):
            SAY("==", section.__name__)
            section(io)
        SAY("== watching")
        watching(cluster, io)
        SAY("== names and lists")
        names_and_lists(cluster, io)
    SAY("== applications")
    applications(cluster)
    SAY("addresses", "/" in cluster.get_addrs())
    cluster.wait_for_latest_osdmap()
    cluster.shutdown()
    SAY("state", cluster.state)


main(sys.argv[1])
