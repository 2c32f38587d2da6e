/* What every transcript program shares: printing calls with their results, and reaching the pool.
 *
 * A program is run as `NAME POOL SUFFIX` with CEPH_CONF in its environment. It prints the same text on every run:
 * names carry SUFFIX only behind the scenes (name() adds it, out of the transcript), and what differs between runs
 * (ids, times, addresses) is replaced by a property of it, such as "set" or "grows". */
#ifndef LOGRBD_CAPI_TESTS_T_H
#define LOGRBD_CAPI_TESTS_T_H

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <rados/librados.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define T_UNUSED __attribute__((unused))

/* Runs the call, prints it as it stands in the source with its result, and gives the result. */
#define R(call) t_result(#call, (long long)(call))
/* The same for a call whose good result differs from run to run: says only whether it is negative, zero or positive. */
#define RS(call) t_sign(#call, (long long)(call))
/* A call without a result. */
#define V(call) do { call; printf("%s\n", #call); } while (0)
/* Setting up: must succeed, is not part of the transcript. */
#define MUST(call) t_must(#call, (long long)(call), __LINE__)
#define SECTION(title) printf("\n== %s\n", title)
#define SAY(...) do { printf(__VA_ARGS__); putchar('\n'); } while (0)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static T_UNUSED const char *t_pool, *t_suffix;
static T_UNUSED char **t_argv;

static T_UNUSED const char *t_errname(long long r)
{
	if (r >= 0)
		return "";
	const char *name = strerrorname_np((int)-r);
	return name ? name : "?";
}

static T_UNUSED long long t_result(const char *call, long long r)
{
	if (r <= -4095) /* what cmpext and omap_cmp give: -MAX_ERRNO and the offset of the difference */
		printf("%s = -4095 - %lld\n", call, -4095 - r);
	else if (r < 0)
		printf("%s = -%s\n", call, t_errname(r));
	else
		printf("%s = %lld\n", call, r);
	return r;
}

static T_UNUSED long long t_sign(const char *call, long long r)
{
	if (r < 0)
		return t_result(call, r);
	printf("%s = %s\n", call, r ? "positive" : "0");
	return r;
}

/* The result of one op of a list. */
static T_UNUSED void show_rval(int r)
{
	if (r <= -4095)
		printf("  rval -4095 - %d\n", -4095 - r);
	else
		printf("  rval %d %s\n", r, t_errname(r));
}

static T_UNUSED long long t_must(const char *call, long long r, int line)
{
	if (r < 0) {
		fflush(stdout);
		fprintf(stderr, "line %d: %s = %lld (%s): the test cannot go on\n", line, call, r, t_errname(r));
		printf("SETUP FAILED: %s = -%s\n", call, t_errname(r));
		exit(3);
	}
	return r;
}

/* Names that only this run uses; one lives until a thousand more were made. */
static T_UNUSED const char *name(const char *base)
{
	static char ring[1000][300];
	static int next;
	char *out = ring[next++ % 1000];
	snprintf(out, sizeof ring[0], "%s%s", base, t_suffix);
	return out;
}

/* The name without this run's suffix. */
static T_UNUSED const char *unname(const char *full)
{
	static char ring[8][4200];
	static int next;
	char *out = ring[next++ % 8];
	snprintf(out, sizeof ring[0], "%s", full ? full : "(null)");
	for (char *at; t_suffix && *t_suffix && (at = strstr(out, t_suffix));)
		memmove(at, at + strlen(t_suffix), strlen(at + strlen(t_suffix)) + 1);
	return out;
}

/* Bytes as text: printable ones as they are, others in hex, runs of eight and more as x*N. */
static T_UNUSED void show(const char *label, const void *data, size_t len)
{
	const unsigned char *p = data;
	printf("%s [%zu] \"", label, len);
	for (size_t i = 0; i < len;) {
		size_t run = 1;
		while (i + run < len && p[i + run] == p[i])
			run++;
		if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
			printf("%c", p[i]);
		else
			printf("\\x%02x", p[i]);
		if (run >= 8) {
			printf("*%zu ", run);
			i += run;
		} else {
			i++;
		}
	}
	printf("\"\n");
}

static T_UNUSED uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* An event that callbacks set and the program waits for, with a deadline. */
struct event {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int count;
};
#define EVENT_INIT { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 }

static T_UNUSED void event_set(struct event *e)
{
	pthread_mutex_lock(&e->lock);
	e->count++;
	pthread_cond_broadcast(&e->cond);
	pthread_mutex_unlock(&e->lock);
}

static T_UNUSED bool event_wait(struct event *e, int count, int ms)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (ms % 1000) * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&e->lock);
	while (e->count < count)
		if (pthread_cond_timedwait(&e->cond, &e->lock, &until))
			break;
	bool ok = e->count >= count;
	pthread_mutex_unlock(&e->lock);
	return ok;
}

static T_UNUSED void t_start(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3) {
		fprintf(stderr, "usage: %s POOL SUFFIX\n", argv[0]);
		exit(2);
	}
	t_argv = argv;
	t_pool = argv[1];
	t_suffix = argv[2];
	alarm(100);
}

static T_UNUSED rados_t t_connect(void)
{
	rados_t cluster;
	MUST(rados_create(&cluster, NULL));
	MUST(rados_conf_read_file(cluster, NULL));
	MUST(rados_connect(cluster));
	return cluster;
}

static T_UNUSED rados_ioctx_t t_ioctx(rados_t cluster)
{
	rados_ioctx_t io;
	MUST(rados_ioctx_create(cluster, t_pool, &io));
	return io;
}

#endif
