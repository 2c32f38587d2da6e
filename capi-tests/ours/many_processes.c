/* Sixteen processes on one store, each with an image of its own and all of them readers of one more; they write, flush, take
 * snapshots and count on one object, and at the end every image holds what its process wrote and the count is right. */
#include "t_check.h"
#include <sys/mman.h>
#include <sys/wait.h>

#define PROCESSES 16
#define BLOCKS 64
#define COUNTS 20

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

static const char *own(int process)
{
	char base[32];
	snprintf(base, sizeof base, "process%d", process);
	return name(base);
}

/* Adds one to a number, by a write that asks for the version that was read. */
static void count(rados_ioctx_t io)
{
	for (;;) {
		uint64_t value = 0;
		if (rados_read(io, name("count"), (char *)&value, 8, 0) != 8)
			break;
		uint64_t version = rados_get_last_version(io);
		value++;
		rados_write_op_t op = rados_create_write_op();
		rados_write_op_assert_version(op, version);
		rados_write_op_write(op, (const char *)&value, 8, 0);
		int r = rados_write_op_operate(op, io, name("count"), NULL, 0);
		rados_release_write_op(op);
		if (r == 0)
			return;
		if (r != -ERANGE && r != -EOVERFLOW) {
			IS(0, r);
			return;
		}
	}
	HOLDS(!"the count can be read");
}

static void work(int process)
{
	rados_t cluster = t_connect();
	rados_ioctx_t io = t_ioctx(cluster);
	char block[4096];
	image_make(io, own(process), 4 * MIB);
	rbd_image_t image = image_open(io, own(process)), shared;
	IS(0, rbd_open_read_only(io, name("shared"), &shared, NULL));
	for (uint64_t round = 0; round < 4; round++) {
		for (uint64_t n = 0; n < BLOCKS; n++) {
			stamp(block, process * 1000000 + round * 1000 + n);
			IS(4096, rbd_write(image, n * 8192, 4096, block));
		}
		IS(0, rbd_flush(image));
		char snap[16];
		snprintf(snap, sizeof snap, "s%d", (int)round);
		IS(0, rbd_snap_create(image, snap));
		for (uint64_t n = 0; n < 8; n++) {
			IS(4096, rbd_read(shared, n * 4096, 4096, block));
			HOLDS(stamped(block, 77 + n));
		}
		for (int n = 0; n < COUNTS / 4; n++)
			count(io);
	}
	IS(0, rbd_close(shared));
	IS(0, rbd_close(image));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t cluster = t_connect();
	rados_ioctx_t io = t_ioctx(cluster);
	uint64_t value = 0;
	char block[4096];
	IS(0, rados_write_full(io, name("count"), (const char *)&value, 8));
	image_make(io, name("shared"), MIB);
	rbd_image_t image = image_open(io, name("shared"));
	for (uint64_t n = 0; n < 8; n++) {
		stamp(block, 77 + n);
		IS(4096, rbd_write(image, n * 4096, 4096, block));
	}
	IS(0, rbd_close(image));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	pid_t children[PROCESSES];
	fflush(stdout);
	for (int i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			alarm(100);
			work(i);
			fflush(stdout);
			_exit(t_failures != 0);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status = -1;
		HOLDS(waitpid(children[i], &status, 0) == children[i]);
		HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	cluster = t_connect();
	io = t_ioctx(cluster);
	IS(8, rados_read(io, name("count"), (char *)&value, 8, 0));
	IS(PROCESSES * COUNTS, value);
	for (int i = 0; i < PROCESSES; i++) {
		image = image_open(io, own(i));
		for (uint64_t round = 0; round < 5; round++) {
			char snap[16];
			snprintf(snap, sizeof snap, "s%d", (int)(round < 4 ? round : 3));
			IS(0, rbd_snap_set(image, round < 4 ? snap : NULL));
			for (uint64_t n = 0; n < BLOCKS; n++) {
				IS(4096, rbd_read(image, n * 8192, 4096, block));
				HOLDS(stamped(block, i * 1000000 + (round < 4 ? round : 3) * 1000 + n));
			}
			if (round < 4)
				continue;
			for (int s = 0; s < 4; s++) {
				snprintf(snap, sizeof snap, "s%d", s);
				IS(0, rbd_snap_remove(image, snap));
			}
		}
		IS(0, rbd_close(image));
		IS(0, rbd_remove(io, own(i)));
	}
	IS(0, rbd_remove(io, name("shared")));
	IS(0, rados_remove(io, name("count")));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return t_verdict();
}
