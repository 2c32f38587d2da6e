/* Completions by an eventfd: rbd_set_image_notification and rbd_poll_io_events; many at once; closing with some under way. */
#include "t_rbd.h"
#include <sys/eventfd.h>

static rados_ioctx_t io;
enum { N = 64 };

static void on_done(rbd_completion_t c, void *arg)
{
	(void)c;
	event_set(arg);
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { fd, POLLIN, 0 };
	return poll(&p, 1, ms) == 1;
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	rados_t cluster = t_connect();
	io = t_ioctx(cluster);
	image_make(io, name("img"), 32 * MIB);
	rbd_image_t image = image_open(io, name("img"));
	rbd_completion_t c, got[N * 2];
	char buf[4096];
	uint64_t value = 0;
	/* What is being written or read into must stay until the completion: one buffer for each call. */
	char (*bufs)[4096] = calloc(N, sizeof *bufs);
	int fd = eventfd(0, EFD_NONBLOCK);

	SECTION("before it is set up");
	R(rbd_poll_io_events(image, got, 4));
	R(rbd_set_image_notification(image, fd, 99));
	R(rbd_set_image_notification(image, fd, EVENT_TYPE_EVENTFD));
	R(rbd_poll_io_events(image, got, 4));
	SAY("readable: %d", readable(fd, 0));

	SECTION("one write");
	memset(buf, 'w', sizeof buf);
	MUST(rbd_aio_create_completion((void *)buf, NULL, &c));
	R(rbd_aio_write(image, 0, sizeof buf, buf, c));
	SAY("readable: %d", readable(fd, 30000));
	R(read(fd, &value, sizeof value));
	SAY("value %" PRIu64, value);
	int n = R(rbd_poll_io_events(image, got, 4));
	if (n == 1) {
		SAY("the one: %d, its arg: %d", got[0] == c, rbd_aio_get_arg(got[0]) == (void *)buf);
		R(rbd_aio_is_complete(c));
		R(rbd_aio_get_return_value(c));
		rbd_aio_release(c);
	}
	R(rbd_poll_io_events(image, got, 4));

	SECTION("many, taken a few at a time");
	for (int i = 0; i < N; i++) {
		MUST(rbd_aio_create_completion((void *)(intptr_t)(i + 1), NULL, &c));
		if (i % 4 == 3)
			MUST(rbd_aio_read(image, (uint64_t)i * 4096, sizeof buf, bufs[i], c));
		else if (i % 4 == 2)
			MUST(rbd_aio_discard(image, (uint64_t)i * 65536, 65536, c));
		else if (i % 4 == 1)
			MUST(rbd_aio_flush(image, c));
		else
			MUST(rbd_aio_write(image, 16 * MIB + (uint64_t)i * 4096, sizeof buf, bufs[i], c));
	}
	int total = 0, seen[N + 1] = { 0 }, bad = 0, over = 0;
	uint64_t deadline = now_ms() + 60000;
	while (total < N && now_ms() < deadline) {
		if (!readable(fd, 1000))
			continue;
		bad += read(fd, &value, sizeof value) != sizeof value;
		while ((n = rbd_poll_io_events(image, got, 7)) > 0) {
			over += n > 7;
			for (int i = 0; i < n; i++) {
				intptr_t which = (intptr_t)rbd_aio_get_arg(got[i]);
				ssize_t r = rbd_aio_get_return_value(got[i]);
				if (which < 1 || which > N || seen[which]++)
					bad++;
				bad += r != ((which - 1) % 4 == 3 ? (ssize_t)sizeof buf : 0);
				rbd_aio_release(got[i]);
				total++;
			}
		}
	}
	SAY("total %d, bad %d, more than asked for %d", total, bad, over);

	SECTION("a callback beside the event");
	struct event e = EVENT_INIT;
	MUST(rbd_aio_create_completion(&e, on_done, &c));
	R(rbd_aio_flush(image, c));
	R(rbd_aio_wait_for_complete(c));
	SAY("callback: %d, readable: %d", event_wait(&e, 1, 10000), readable(fd, 10000));
	R(rbd_poll_io_events(image, got, 4));
	rbd_aio_release(c);
	close(fd);
	R(rbd_close(image));

	SECTION("close with writes under way: they are all done");
	image = image_open(io, name("img"));
	struct event f = EVENT_INIT;
	rbd_completion_t cs[N];
	for (int i = 0; i < N; i++) {
		memset(bufs[i], 'A' + i % 26, sizeof buf);
		MUST(rbd_aio_create_completion(&f, on_done, &cs[i]));
		MUST(rbd_aio_write(image, (uint64_t)i * 4096, sizeof buf, bufs[i], cs[i]));
	}
	R(rbd_close(image));
	SAY("callbacks: %d", event_wait(&f, N, 30000));
	bad = 0;
	for (int i = 0; i < N; i++) {
		bad += !rbd_aio_is_complete(cs[i]) || rbd_aio_get_return_value(cs[i]) != 0;
		rbd_aio_release(cs[i]);
	}
	image = image_open(io, name("img"));
	for (int i = 0; i < N; i++) {
		MUST(rbd_read(image, (uint64_t)i * 4096, sizeof buf, buf));
		bad += buf[0] != 'A' + i % 26 || memcmp(buf, buf + 1, sizeof buf - 1);
	}
	SAY("bad %d", bad);

	SECTION("completions released before their calls end; writes to one place have no order, but one of them wins whole");
	struct event g = EVENT_INIT;
	for (int i = 0; i < 16; i++) {
		memset(bufs[i], 'a' + i, sizeof buf);
		MUST(rbd_aio_create_completion(&g, on_done, &c));
		MUST(rbd_aio_write(image, 0, sizeof buf, bufs[i], c));
		rbd_aio_release(c);
	}
	SAY("callbacks: %d", event_wait(&g, 16, 30000));
	MUST(rbd_read(image, 0, sizeof buf, buf));
	SAY("one of them: %d", buf[0] >= 'a' && buf[0] < 'a' + 16 && !memcmp(buf, buf + 1, sizeof buf - 1));
	free(bufs);
	R(rbd_close(image));
	R(rbd_remove(io, name("img")));
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
