/* Advisory locks on objects (class lock): exclusive, shared, tags, flags, durations, lockers, breaking. */
#include "t.h"

static rados_ioctx_t io, io2; /* two clients */

/* Who holds it. A client is shown as 1 or 2. */
static void lockers(const char *obj, const char *lock)
{
	int exclusive = 9;
	char tag[64] = "?", clients[400], cookies[400], addrs[400], one[32], two[32];
	size_t tag_len = sizeof tag, clients_len = sizeof clients, cookies_len = sizeof cookies, addrs_len = sizeof addrs;
	snprintf(one, sizeof one, "client.%" PRIu64, rados_get_instance_id(rados_ioctx_get_cluster(io)));
	snprintf(two, sizeof two, "client.%" PRIu64, rados_get_instance_id(rados_ioctx_get_cluster(io2)));
	ssize_t n = R(rados_list_lockers(io, obj, lock, &exclusive, tag, &tag_len, clients, &clients_len, cookies, &cookies_len, addrs, &addrs_len));
	if (n < 0)
		return;
	SAY("  exclusive %d, tag \"%s\" length %zu", exclusive, tag, tag_len);
	const char *c = clients, *k = cookies, *a = addrs;
	char *lines[10];
	int lines_n = 0;
	for (ssize_t i = 0; i < n; i++) {
		if (lines_n < 10 && asprintf(&lines[lines_n], "  client %s cookie \"%s\" address %s", !strcmp(c, one) ? "1" : !strcmp(c, two) ? "2" : c, k, *a ? "set" : "empty") > 0)
			lines_n++;
		c += strlen(c) + 1;
		k += strlen(k) + 1;
		a += strlen(a) + 1;
	}
	for (int which = 1; which <= 2; which++)
		for (int i = 0; i < lines_n; i++)
			if (lines[i][9] == '0' + which)
				SAY("%s", lines[i]);
	for (int i = 0; i < lines_n; i++)
		free(lines[i]);
	if (n)
		SAY("  lengths: clients %d cookies %d addrs %d", clients_len == (size_t)(c - clients), cookies_len == (size_t)(k - cookies), addrs_len == (size_t)(a - addrs));
	else
		SAY("  lengths: %zu %zu %zu", clients_len, cookies_len, addrs_len);
}

static void exclusive(void)
{
	const char *a = name("x");
	SECTION("exclusive");
	lockers(a, "l");
	R(rados_unlock(io, a, "l", "c"));
	R(rados_lock_exclusive(io, a, "l", "c", "a description", NULL, 0));
	SAY("it makes the object: %d", rados_stat(io, a, NULL, NULL));
	lockers(a, "l");
	lockers(a, "another");
	R(rados_lock_exclusive(io, a, "l", "c", "", NULL, 0));
	R(rados_lock_exclusive(io, a, "l", "c2", "", NULL, 0));
	R(rados_lock_exclusive(io2, a, "l", "c", "", NULL, 0));
	R(rados_lock_shared(io2, a, "l", "c", "", "", NULL, 0));
	R(rados_lock_shared(io, a, "l", "c", "", "", NULL, 0));
	R(rados_lock_exclusive(io2, a, "another", "c", "", NULL, 0));
	R(rados_write_full(io2, a, "locks are only advisory", 23));
	SECTION("renewal");
	R(rados_lock_exclusive(io, a, "l", "c", "", NULL, LIBRADOS_LOCK_FLAG_RENEW));
	R(rados_lock_exclusive(io, a, "l", "c", "", NULL, LIBRADOS_LOCK_FLAG_MUST_RENEW));
	R(rados_lock_exclusive(io, a, "l", "c3", "", NULL, LIBRADOS_LOCK_FLAG_RENEW));
	R(rados_lock_exclusive(io2, a, "l", "c", "", NULL, LIBRADOS_LOCK_FLAG_MUST_RENEW));
	R(rados_lock_exclusive(io, a, "fresh", "c", "", NULL, LIBRADOS_LOCK_FLAG_MUST_RENEW));
	R(rados_lock_exclusive(io, a, "fresh", "c", "", NULL, LIBRADOS_LOCK_FLAG_RENEW));
	R(rados_lock_exclusive(io, a, "odd", "c", "", NULL, 64));
	R(rados_lock_exclusive(io, a, "both", "c", "", NULL, LIBRADOS_LOCK_FLAG_RENEW | LIBRADOS_LOCK_FLAG_MUST_RENEW));
	SECTION("unlock");
	R(rados_unlock(io2, a, "l", "c"));
	R(rados_unlock(io, a, "l", "wrong"));
	R(rados_unlock(io, a, "l", "c"));
	R(rados_unlock(io, a, "l", "c"));
	lockers(a, "l");
	R(rados_lock_exclusive(io2, a, "l", "c", "", NULL, 0));
	lockers(a, "l");
	rados_completion_t comp;
	MUST(rados_aio_create_completion2(NULL, NULL, &comp));
	R(rados_aio_unlock(io2, a, "l", "c", comp));
	R(rados_aio_wait_for_complete(comp));
	R(rados_aio_get_return_value(comp));
	rados_aio_release(comp);
	lockers(a, "l");
	SECTION("names and cookies");
	R(rados_lock_exclusive(io, a, "", "c", "", NULL, 0));
	R(rados_lock_exclusive(io, a, "l", "", "", NULL, 0));
	lockers(a, "l");
	R(rados_unlock(io, a, "l", ""));
	R(rados_lock_exclusive(io, "", "l", "c", "", NULL, 0));
	MUST(rados_remove(io, a));
	lockers(a, "l");
}

static void shared(void)
{
	const char *a = name("s");
	SECTION("shared");
	R(rados_lock_shared(io, a, "l", "c", "tag", "", NULL, 0));
	R(rados_lock_shared(io2, a, "l", "c", "tag", "", NULL, 0));
	lockers(a, "l");
	R(rados_lock_shared(io, a, "l", "c", "tag", "", NULL, 0));
	R(rados_lock_shared(io, a, "l", "c", "tag", "", NULL, LIBRADOS_LOCK_FLAG_RENEW));
	R(rados_lock_shared(io, a, "l", "c", "other", "", NULL, LIBRADOS_LOCK_FLAG_RENEW));
	R(rados_lock_shared(io, a, "l", "c2", "tag", "", NULL, 0));
	R(rados_lock_shared(io, a, "l", "c3", "other", "", NULL, 0));
	R(rados_lock_exclusive(io, a, "l", "c", "", NULL, 0));
	R(rados_lock_exclusive(io2, a, "l", "x", "", NULL, 0));
	R(rados_unlock(io, a, "l", "c2"));
	R(rados_unlock(io, a, "l", "c"));
	lockers(a, "l");
	SECTION("from shared to exclusive, when nobody else holds it");
	R(rados_lock_exclusive(io2, a, "l", "c", "", NULL, LIBRADOS_LOCK_FLAG_RENEW));
	lockers(a, "l");
	R(rados_unlock(io2, a, "l", "c"));
	MUST(rados_remove(io, a));
	R(rados_lock_shared(io, a, "l", "c", "", "", NULL, 0));
	R(rados_lock_exclusive(io, a, "l", "c", "", NULL, LIBRADOS_LOCK_FLAG_RENEW));
	lockers(a, "l");
	R(rados_lock_shared(io, a, "l", "c", "", "", NULL, LIBRADOS_LOCK_FLAG_RENEW));
	lockers(a, "l");
	R(rados_lock_shared(io2, a, "l", "c", "", "", NULL, 0));
	R(rados_lock_exclusive(io, a, "l", "c", "", NULL, LIBRADOS_LOCK_FLAG_RENEW));
	MUST(rados_remove(io, a));
	SECTION("buffers of list_lockers");
	MUST(rados_lock_shared(io, a, "l", "cookie", "tag", "", NULL, 0));
	int ex = 9;
	char t[64], c[64], k[64], ad[100];
	size_t tl = 2, cl = sizeof c, kl = sizeof k, al = sizeof ad;
	R(rados_list_lockers(io, a, "l", &ex, t, &tl, c, &cl, k, &kl, ad, &al));
	SAY("  tag %zu, cookie %zu, the others asked for: %d", tl, kl, cl > 0 && al > 0);
	tl = sizeof t, cl = 1, kl = sizeof k, al = sizeof ad;
	R(rados_list_lockers(io, a, "l", &ex, t, &tl, c, &cl, k, &kl, ad, &al));
	tl = sizeof t, cl = sizeof c, kl = 3, al = sizeof ad;
	R(rados_list_lockers(io, a, "l", &ex, t, &tl, c, &cl, k, &kl, ad, &al));
	SAY("  tag %zu, cookie %zu", tl, kl);
	tl = sizeof t, cl = sizeof c, kl = 7, al = 2;
	R(rados_list_lockers(io, a, "l", &ex, t, &tl, c, &cl, k, &kl, ad, &al));
	MUST(rados_remove(io, a));
}

static void breaking(void)
{
	const char *a = name("b");
	char one[32], two[32];
	snprintf(one, sizeof one, "client.%" PRIu64, rados_get_instance_id(rados_ioctx_get_cluster(io)));
	snprintf(two, sizeof two, "client.%" PRIu64, rados_get_instance_id(rados_ioctx_get_cluster(io2)));
	SECTION("break");
	R(rados_break_lock(io2, a, "l", one, "c"));
	R(rados_lock_exclusive(io, a, "l", "c", "", NULL, 0));
	R(rados_break_lock(io2, a, "l", "client.1", "c"));
	R(rados_break_lock(io2, a, "l", one, "wrong"));
	R(rados_break_lock(io2, a, "l", "nonsense", "c"));
	R(rados_break_lock(io2, a, "l", two, "c"));
	R(rados_break_lock(io2, a, "none", one, "c"));
	R(rados_break_lock(io2, a, "l", one, "c"));
	lockers(a, "l");
	R(rados_unlock(io, a, "l", "c"));
	R(rados_lock_exclusive(io2, a, "l", "c", "", NULL, 0));
	SECTION("a duration ends it");
	struct timeval none = { 0, 0 }, brief = { 1, 0 };
	R(rados_lock_exclusive(io, a, "timed", "c", "", &none, 0));
	R(rados_lock_exclusive(io2, a, "timed", "c", "", NULL, 0));
	R(rados_unlock(io, a, "timed", "c"));
	R(rados_lock_exclusive(io, a, "timed", "c", "", &brief, 0));
	uint64_t began = now_ms();
	R(rados_lock_exclusive(io2, a, "timed", "c", "", NULL, 0));
	int r, tries = 0;
	while ((r = rados_lock_exclusive(io2, a, "timed", "c", "", NULL, 0)) == -EBUSY && now_ms() - began < 20000) {
		tries++;
		poll(NULL, 0, 50);
	}
	SAY("the other gets it in the end: %d, not at once: %d, within some seconds: %d", r, tries > 1, now_ms() - began < 10000);
	lockers(a, "timed");
	R(rados_unlock(io, a, "timed", "c"));
	MUST(rados_remove(io, a));
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t c1 = t_connect(), c2 = t_connect();
	io = t_ioctx(c1);
	io2 = t_ioctx(c2);
	SAY("two clients have two ids: %d", rados_get_instance_id(c1) != rados_get_instance_id(c2));
	exclusive();
	shared();
	breaking();
	rados_ioctx_destroy(io);
	rados_ioctx_destroy(io2);
	rados_shutdown(c1);
	rados_shutdown(c2);
	return 0;
}
