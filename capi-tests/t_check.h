/* For the programs in ours/: they have no transcript of Ceph beside them, and check for themselves. */
#ifndef LOGRBD_CAPI_TESTS_T_CHECK_H
#define LOGRBD_CAPI_TESTS_T_CHECK_H

#include "t_rbd.h"

static int t_failures;

/* The call must give exactly this. */
#define IS(want, call) t_is(#call, (long long)(call), (long long)(want), __LINE__)
/* The call must fail, with whatever errno. */
#define FAILS(call) t_fails(#call, (long long)(call), __LINE__)
#define HOLDS(what) do { if (!(what)) { SAY("line %d: not so: %s", __LINE__, #what); t_failures++; } } while (0)

static T_UNUSED void t_is(const char *call, long long got, long long want, int line)
{
	if (got != want) {
		SAY("line %d: %s = %lld %s, not %lld %s", line, call, got, t_errname(got), want, t_errname(want));
		t_failures++;
	}
}

static T_UNUSED void t_fails(const char *call, long long got, int line)
{
	if (got >= 0) {
		SAY("line %d: %s = %lld, but it should fail", line, call, got);
		t_failures++;
	}
}

static T_UNUSED int t_verdict(void)
{
	SAY("%d failures", t_failures);
	return t_failures != 0;
}

#endif
