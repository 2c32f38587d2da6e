/* Service daemons as `ceph service dump` and `ceph service status` show them. It makes the manager restart. */
#include "t.h"

static char out[1 << 20];

/* The output of a command to the manager, in `out`; -ENOENT while there is no manager that answers. */
static int mgr(rados_t cluster, const char *prefix)
{
	char command[100], *buf = NULL, *status = NULL;
	size_t len = 0, status_len = 0;
	const char *cmd[] = { command };
	snprintf(command, sizeof command, "{\"prefix\": \"%s\", \"format\": \"json\"}", prefix);
	int r = rados_mgr_command(cluster, cmd, 1, "", 0, &buf, &len, &status, &status_len);
	if (len >= sizeof out)
		len = sizeof out - 1;
	if (len)
		memcpy(out, buf, len);
	out[len] = 0;
	rados_buffer_free(buf);
	rados_buffer_free(status);
	return r;
}

/* The JSON object that is the value of `key` at or behind `from`, in a buffer of its own; NULL if there is none. */
static char *object(const char *from, const char *key)
{
	static char found[4][20000];
	static int next;
	char quoted[300];
	snprintf(quoted, sizeof quoted, "\"%s\":{", key);
	const char *at = from ? strstr(from, quoted) : NULL;
	if (!at)
		return NULL;
	char *to = found[next++ % 4];
	int depth = 0, in_string = 0;
	size_t n = 0;
	for (at += strlen(quoted) - 1; *at && n < sizeof found[0] - 1; at++) {
		to[n++] = *at;
		if (*at == '"' && at[-1] != '\\')
			in_string = !in_string;
		if (!in_string)
			depth += (*at == '{') - (*at == '}');
		if (depth == 0)
			break;
	}
	to[n] = 0;
	return to;
}

/* The daemon's entry in the manager's service map. */
static char *dumped(rados_t cluster, const char *service, const char *daemon)
{
	if (mgr(cluster, "service dump") < 0)
		return NULL;
	char *all = object(out, service);
	return all ? object(all, daemon) : NULL;
}

/* Until the daemon is there, or is not, and (where one is given) its status is this. There is no event to wait for. */
static bool until(rados_t cluster, const char *service, const char *daemon, bool there, const char *status)
{
	for (uint64_t begin = now_ms(); now_ms() < begin + 60000; usleep(100000)) {
		char *seen = dumped(cluster, service, daemon);
		if (seen && there && status) {
			mgr(cluster, "service status");
			char *entry = object(object(out, service), daemon);
			seen = entry && strcmp(object(entry, "status"), status) == 0 ? seen : NULL;
			if (!seen)
				continue;
		}
		if (there == !!seen)
			return true;
	}
	return false;
}

/* Prints the metadata, a pair a line: they are of this host. The version names the library. */
static void show_metadata(const char *json)
{
	static const char version[] = "\"ceph_version\":\"ceph version 16.2.15 (";
	if (!json) {
		SAY("  none");
		return;
	}
	for (const char *at = json + 1; *at; at++) {
		const char *end = strstr(at, "\",\"");
		end = end ? end + 1 : at + strlen(at) - 1;
		if (!strncmp(at, version, strlen(version)))
			SAY("  \"ceph_version\": one of 16.2.15%s", strstr(at, " pacific (stable)\"") ? ", pacific (stable)" : "");
		else
			SAY("  %.*s", (int)(end - at), at);
		at = end;
		if (*at != ',')
			break;
	}
}

static void show_daemon(rados_t cluster, const char *service, const char *daemon, const char *status)
{
	bool there = until(cluster, service, daemon, true, status);
	char *seen = dumped(cluster, service, daemon), *addrs = NULL, gid[40];
	SAY("%s.%s is %s", unname(service), daemon, there ? "shown" : "not shown");
	if (!seen)
		return;
	snprintf(gid, sizeof gid, "\"gid\":%" PRIu64 ",", rados_get_instance_id(cluster));
	SAY("gid: %s", strstr(seen, gid) ? "the client's" : "another");
	MUST(rados_getaddrs(cluster, &addrs));
	char *addr = strstr(seen, "\"addr\":\"");
	/* The one says the protocol and brackets, the other does not. */
	addr = addr ? strndup(addr + 8, strcspn(addr + 8, "\"")) : strdup("");
	SAY("addr: %s", *addr && strstr(addrs, addr) ? "the client's" : addr);
	free(addr);
	free(addrs);
	SAY("start_epoch: %s", strstr(seen, "\"start_epoch\":0,") ? "0" : "set");
	SAY("task_status: %s", object(seen, "task_status"));
	show_metadata(object(seen, "metadata"));
	mgr(cluster, "service status");
	char *entry = object(object(out, service), daemon);
	SAY("status: %s", entry ? object(entry, "status") : "none");
}

int main(int argc, char **argv)
{
	t_start(argc, argv);
	const char *service = name("svc"), *other = name("other");

	SECTION("registered before the connect");
	rados_t cluster;
	MUST(rados_create(&cluster, NULL));
	MUST(rados_conf_read_file(cluster, NULL));
	R(rados_service_register(cluster, service, "x.y", "a\0b\0hostname\0mine\0os\0NotOS\0empty\0\0twice\0one\0twice\0two\0"));
	MUST(rados_connect(cluster));
	show_daemon(cluster, service, "x.y", "{}");

	SECTION("status");
	R(rados_service_update_status(cluster, "s\0t\0state\0up\0s\0last\0empty\0\0"));
	show_daemon(cluster, service, "x.y", "{\"empty\":\"\",\"s\":\"last\",\"state\":\"up\"}");
	R(rados_service_update_status(cluster, "only\0this\0"));
	show_daemon(cluster, service, "x.y", "{\"only\":\"this\"}");

	SECTION("registered while there is a session with the manager, with a status that was set before");
	rados_t late = t_connect();
	mgr(late, "service dump");
	R(rados_service_update_status(late, "early\0yes\0"));
	R(rados_service_register(late, other, "a b/c", ""));
	show_daemon(late, other, "a b/c", "{\"early\":\"yes\"}");

	SECTION("another daemon of the service");
	rados_t twin = t_connect();
	R(rados_service_register(twin, other, "twin", "k\0v\0"));
	show_daemon(twin, other, "twin", "{}");

	SECTION("another manager");
	const char *fail[] = { "{\"prefix\": \"mgr fail\"}" };
	char *buf, *status;
	size_t len, status_len;
	MUST(rados_mon_command(cluster, fail, 1, "", 0, &buf, &len, &status, &status_len));
	show_daemon(cluster, service, "x.y", "{\"only\":\"this\"}");
	show_daemon(late, other, "a b/c", "{\"early\":\"yes\"}");

	SECTION("the end");
	V(rados_shutdown(late));
	V(rados_shutdown(twin));
	SAY("gone: %s", until(cluster, other, "a b/c", false, NULL) && until(cluster, other, "twin", false, NULL) ? "yes" : "no");
	V(rados_shutdown(cluster));
	return 0;
}
