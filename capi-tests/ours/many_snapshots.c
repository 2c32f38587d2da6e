/* Many snapshots of one image: made, listed, read, compared, removed; and how the time of each grows is printed.
 * Argument after POOL and SUFFIX: how many (500; ten thousand were run by hand, docs/limits.md). */
#include "t_check.h"

static void stamp(char *block, uint64_t number)
{
	for (size_t i = 0; i < 4096; i += 8)
		memcpy(block + i, &number, 8);
}

static bool stamped(const char *block, uint64_t number)
{
	for (size_t i = 0; i < 4096; i += 8)
		if (memcmp(block + i, &number, 8))
			return false;
	return true;
}

static const char *snap(uint64_t n)
{
	static char out[32];
	snprintf(out, sizeof out, "snap%05d", (int)n);
	return out;
}

static int seen(uint64_t off, size_t len, int exists, void *arg)
{
	(void)off;
	*(uint64_t *)arg += exists ? len : 0;
	return 0;
}

#define SLOTS 64

/* Snapshot n has in slot n % SLOTS what was written before it; the others keep what came before. */
static uint64_t expected(uint64_t snapshot, uint64_t slot)
{
	return snapshot < slot ? 0 : snapshot - (snapshot - slot) % SLOTS + 1;
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	uint64_t number = argc > 3 ? strtoull(argv[3], NULL, 0) : 500;
	alarm(number > 500 ? 3600 : 100);
	rados_t cluster = t_connect();
	rados_ioctx_t io = t_ioctx(cluster);
	char block[4096];
	image_make(io, name("snaps"), SLOTS * MIB);
	rbd_image_t image = image_open(io, name("snaps"));
	uint64_t began = now_ms();
	for (uint64_t n = 0; n < number; n++) {
		stamp(block, n + 1);
		IS(4096, rbd_write(image, n % SLOTS * MIB, 4096, block));
		IS(0, rbd_snap_create(image, snap(n)));
		if ((n + 1) % (number / 5) == 0) {
			SAY("%d made, the last %d in %d ms", (int)n + 1, (int)number / 5, (int)(now_ms() - began));
			began = now_ms();
		}
	}
	int max = 1;
	IS(-ERANGE, rbd_snap_list(image, &(rbd_snap_info_t){ 0 }, &max));
	IS(number + 1, max);
	rbd_snap_info_t *snaps = calloc(max, sizeof *snaps);
	IS(number, rbd_snap_list(image, snaps, &max));
	for (uint64_t n = 0; n < number; n++)
		HOLDS(!strcmp(snaps[n].name, snap(n)));
	rbd_snap_list_end(snaps);
	free(snaps);
	SAY("listed in %d ms", (int)(now_ms() - began));
	IS(0, rbd_close(image));

	began = now_ms();
	image = image_open(io, name("snaps"));
	SAY("opened in %d ms", (int)(now_ms() - began));
	began = now_ms();
	for (uint64_t n = 0; n < number; n += number / 100) {
		IS(0, rbd_snap_set(image, snap(n)));
		for (uint64_t slot = 0; slot < SLOTS; slot += 9) {
			IS(4096, rbd_read(image, slot * MIB, 4096, block));
			HOLDS(stamped(block, expected(n, slot)));
		}
		if (n > number / 2) {
			uint64_t bytes = 0;
			IS(0, rbd_diff_iterate2(image, snap(n - 10), 0, SLOTS * MIB, 0, 0, seen, &bytes));
			IS(10 * 4096, bytes);
		}
	}
	IS(0, rbd_snap_set(image, NULL));
	SAY("100 of them read in %d ms", (int)(now_ms() - began));

	began = now_ms();
	/* Every other one first, then the rest from the middle on. */
	for (uint64_t n = 0; n < number; n += 2)
		IS(0, rbd_snap_remove(image, snap(n)));
	SAY("half of them removed in %d ms", (int)(now_ms() - began));
	for (uint64_t n = 1; n < number; n += number / 10) {
		uint64_t odd = n | 1;
		IS(0, rbd_snap_set(image, snap(odd)));
		IS(4096, rbd_read(image, odd % SLOTS * MIB, 4096, block));
		HOLDS(stamped(block, odd + 1));
	}
	IS(0, rbd_snap_set(image, NULL));
	IS(-ENOTEMPTY, rbd_remove(io, name("snaps")));
	for (uint64_t n = 0; n < number / 2; n++)
		IS(0, rbd_snap_remove(image, snap(((n + number / 4) % (number / 2)) * 2 + 1)));
	SAY("all removed in %d ms", (int)(now_ms() - began));
	IS(0, rbd_snap_list(image, &(rbd_snap_info_t){ 0 }, &(int){ 1 }));
	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		IS(4096, rbd_read(image, slot * MIB, 4096, block));
		HOLDS(stamped(block, expected(number - 1, slot)));
	}
	IS(0, rbd_close(image));
	IS(0, rbd_remove(io, name("snaps")));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return t_verdict();
}
