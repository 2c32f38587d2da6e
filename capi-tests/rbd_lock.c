/* Locks of an image: the advisory ones, and the managed exclusive lock. Two clients. */
#include "t_rbd.h"

static rados_t c1, c2;
static rados_ioctx_t io1, io2;
static rbd_image_t a, b;

static void lockers(rbd_image_t img)
{
	int exclusive = 9;
	char tag[64] = "?", clients[300], cookies[300], addrs[300], one[32], two[32];
	size_t tag_len = sizeof tag, clients_len = sizeof clients, cookies_len = sizeof cookies, addrs_len = sizeof addrs;
	snprintf(one, sizeof one, "client.%" PRIu64, rados_get_instance_id(c1));
	snprintf(two, sizeof two, "client.%" PRIu64, rados_get_instance_id(c2));
	ssize_t n = rbd_list_lockers(img, &exclusive, tag, &tag_len, clients, &clients_len, cookies, &cookies_len, addrs, &addrs_len);
	SAY("  lockers %zd", n);
	if (n <= 0)
		return;
	SAY("  exclusive %d tag \"%s\"", exclusive, tag);
	const char *c = clients, *k = cookies, *ad = addrs;
	for (ssize_t i = 0; i < n; i++) {
		SAY("  client %s cookie %s address %s", !strcmp(c, one) ? "1" : !strcmp(c, two) ? "2" : c, !strncmp(k, "auto ", 5) ? "auto" : k, *ad ? "set" : "empty");
		c += strlen(c) + 1;
		k += strlen(k) + 1;
		ad += strlen(ad) + 1;
	}
}

static void advisory(void)
{
	SECTION("advisory: exclusive");
	lockers(a);
	R(rbd_lock_exclusive(a, "cookie"));
	lockers(a);
	lockers(b);
	R(rbd_lock_exclusive(a, "cookie"));
	R(rbd_lock_exclusive(a, "other"));
	R(rbd_lock_exclusive(b, "cookie"));
	R(rbd_lock_shared(b, "cookie", "tag"));
	R(rbd_unlock(b, "cookie"));
	R(rbd_unlock(a, "other"));
	R(rbd_unlock(a, "cookie"));
	R(rbd_unlock(a, "cookie"));
	lockers(a);
	SECTION("advisory: shared");
	R(rbd_lock_shared(a, "x", "tag"));
	R(rbd_lock_shared(b, "y", "tag"));
	R(rbd_lock_shared(b, "z", "another tag"));
	R(rbd_lock_shared(a, "x", "tag"));
	int exclusive = 9;
	char tag[64], t[300], u[300], v[300];
	size_t tag_len = sizeof tag, tl = sizeof t, ul = sizeof u, vl = sizeof v;
	R(rbd_list_lockers(a, &exclusive, tag, &tag_len, t, &tl, u, &ul, v, &vl));
	SAY("  exclusive %d tag %s length %zu", exclusive, tag, tag_len);
	tl = 3;
	R(rbd_list_lockers(a, &exclusive, tag, &tag_len, t, &tl, u, &ul, v, &vl));
	R(rbd_unlock(b, "y"));
	R(rbd_unlock(a, "x"));
	lockers(b);
}

static void owners(rbd_image_t img)
{
	rbd_lock_mode_t mode = 99;
	char *who[8];
	size_t max = 8;
	int r = rbd_lock_get_owners(img, &mode, who, &max);
	if (r < 0) {
		SAY("  owners: -%s", t_errname(r));
		return;
	}
	SAY("  owners: %zu, mode %d, %s", max, (int)mode, max && strchr(who[0], ':') ? "an address" : "?");
	rbd_lock_get_owners_cleanup(who, max);
}

static void owner(rbd_image_t img)
{
	int is = 9;
	int r = rbd_is_exclusive_lock_owner(img, &is);
	SAY("  owner: %d (%d)", is, r);
}

static void managed(void)
{
	SECTION("the managed lock comes with the first write");
	owner(a);
	owners(a);
	R(rbd_write(a, 0, 1, "1"));
	owner(a);
	owners(a);
	owners(b);
	lockers(a);
	SECTION("it goes to who writes next");
	R(rbd_write(b, 1, 1, "2"));
	owner(b);
	owner(a);
	R(rbd_write(a, 2, 1, "3"));
	owner(a);
	owner(b);
	image_show(b, 0, 4);
	SECTION("taken by hand: it does not go");
	R(rbd_lock_acquire(a, RBD_LOCK_MODE_EXCLUSIVE));
	owner(a);
	R(rbd_lock_acquire(a, RBD_LOCK_MODE_EXCLUSIVE));
	R(rbd_lock_acquire(a, RBD_LOCK_MODE_SHARED));
	R(rbd_write(b, 4, 1, "x"));
	R(rbd_discard(b, 0, 65536));
	R(rbd_write_zeroes(b, 0, 512, 0, 0));
	R(rbd_lock_acquire(b, RBD_LOCK_MODE_EXCLUSIVE));
	SAY("reads go on:");
	image_show(b, 0, 5);
	SAY("resize and snapshots are done by the owner for the other:");
	R(rbd_resize(b, 12 * MIB));
	R(rbd_snap_create(b, "by-b"));
	R(rbd_snap_remove(b, "by-b"));
	owner(a);
	R(rbd_lock_release(b));
	R(rbd_lock_release(a));
	owner(a);
	owners(a);
	R(rbd_lock_release(a));
	SECTION("released: the other may write");
	R(rbd_write(b, 4, 1, "5"));
	owner(b);
	SECTION("taken from an owner that did not ask for it");
	R(rbd_lock_acquire(a, RBD_LOCK_MODE_EXCLUSIVE));
	owner(a);
	owner(b);
	R(rbd_write(b, 4, 1, "6"));
	R(rbd_close(a));
	SAY("closed: the other may write");
	R(rbd_write(b, 4, 1, "7"));
	owner(b);
	a = image_open(io1, name("img"));
	image_show(a, 0, 6);
	R(rbd_close(b));
	b = image_open(io2, name("img"));
	SECTION("mistakes");
	R(rbd_lock_acquire(a, (rbd_lock_mode_t)7));
	R(rbd_lock_break(a, RBD_LOCK_MODE_SHARED, "1.2.3.4"));
	R(rbd_lock_break(a, RBD_LOCK_MODE_EXCLUSIVE, "1.2.3.4"));
	owners(a);
	rbd_lock_mode_t mode;
	char *who[1];
	size_t max = 0;
	R(rbd_lock_get_owners(a, &mode, who, &max));
	SAY("max %zu", max);
}

static void without(void)
{
	rbd_image_t p, q;
	int order = 22, is = 9;
	SECTION("an image without the feature");
	MUST(rbd_create2(io1, name("plain"), MIB, RBD_FEATURE_LAYERING, &order));
	p = image_open(io1, name("plain"));
	q = image_open(io2, name("plain"));
	R(rbd_is_exclusive_lock_owner(p, &is));
	R(rbd_lock_acquire(p, RBD_LOCK_MODE_EXCLUSIVE));
	R(rbd_lock_release(p));
	rbd_lock_mode_t mode;
	char *who[2];
	size_t max = 2;
	R(rbd_lock_get_owners(p, &mode, who, &max));
	R(rbd_close(p));
	R(rbd_close(q));
	R(rbd_remove(io1, name("plain")));
}

static void dead(void)
{
	SECTION("an owner that is broken: its writes fail, the new one goes on");
	rados_t c3 = t_connect();
	rados_ioctx_t io3 = t_ioctx(c3);
	rbd_image_t z = image_open(io3, name("img"));
	R(rbd_lock_acquire(z, RBD_LOCK_MODE_EXCLUSIVE));
	R(rbd_write(z, 100, 4, "mine"));
	R(rbd_flush(z));
	rbd_lock_mode_t mode;
	char *who[2];
	size_t max = 2;
	R(rbd_lock_get_owners(b, &mode, who, &max));
	R(rbd_lock_break(b, RBD_LOCK_MODE_EXCLUSIVE, who[0]));
	rbd_lock_get_owners_cleanup(who, max);
	R(rbd_lock_acquire(b, RBD_LOCK_MODE_EXCLUSIVE));
	image_show(b, 99, 6);
	R(rbd_write(b, 100, 4, "his!"));
	/* In Ceph the broken one is blocklisted. */
	SAY("its next write fails: %d", rbd_write(z, 100, 4, "late") < 0 || rbd_flush(z) < 0);
	image_show(b, 99, 6);
	R(rbd_lock_release(b));
	rbd_close(z);
	rados_ioctx_destroy(io3);
	rados_shutdown(c3);
}

/* Breaking a lock puts its owner on the blocklist, whether it held that lock or not: a third client, which ends here. */
static void breaking(void)
{
	rados_t c3 = t_connect();
	rados_ioctx_t io3 = t_ioctx(c3);
	char three[32];
	snprintf(three, sizeof three, "client.%" PRIu64, rados_get_instance_id(c3));
	SECTION("advisory: break");
	image_make(io1, name("broken"), MIB);
	rbd_image_t y = image_open(io1, name("broken")), z = image_open(io3, name("broken"));
	R(rbd_break_lock(y, "nonsense", "x"));
	R(rbd_break_lock(y, three, "x"));
	R(rbd_lock_exclusive(z, "x"));
	R(rbd_break_lock(y, three, "x"));
	lockers(y);
	R(rbd_unlock(z, "x"));
	R(rbd_write(z, 0, 1, "x"));
	R(rbd_write(y, 0, 1, "y"));
	rbd_close(z);
	rados_ioctx_destroy(io3);
	rados_shutdown(c3);
	R(rbd_close(y));
	image_drop(io1, name("broken"));
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	c1 = t_connect();
	c2 = t_connect();
	io1 = t_ioctx(c1);
	io2 = t_ioctx(c2);
	image_make(io1, name("img"), 10 * MIB);
	a = image_open(io1, name("img"));
	b = image_open(io2, name("img"));
	advisory();
	managed();
	without();
	dead();
	breaking();
	R(rbd_close(a));
	R(rbd_close(b));
	R(rbd_remove(io1, name("img")));
	rados_ioctx_destroy(io1);
	rados_ioctx_destroy(io2);
	rados_shutdown(c1);
	rados_shutdown(c2);
	return 0;
}
