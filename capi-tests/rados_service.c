/* Service daemons: what rados_service_register and rados_service_update_status answer. rados_service_shown.c has what a
 * cluster shows of them. */
#include "t.h"

int main(int argc, char **argv)
{
	t_start(argc, argv);
	const char *service = name("svc");

	SECTION("before the connect");
	rados_t cluster;
	MUST(rados_create(&cluster, NULL));
	MUST(rados_conf_read_file(cluster, NULL));
	R(rados_service_update_status(cluster, "a\0b\0"));
	R(rados_service_register(cluster, "", "x", "a\0b\0"));
	R(rados_service_register(cluster, service, "", "a\0b\0"));
	R(rados_service_register(cluster, "osd", "x", "a\0b\0"));
	R(rados_service_register(cluster, "mds", "x", "a\0b\0"));
	R(rados_service_register(cluster, "mon", "x", "a\0b\0"));
	R(rados_service_register(cluster, "mgr", "x", "a\0b\0"));
	R(rados_service_register(cluster, "client", "x", "a\0b\0"));
	R(rados_service_register(cluster, service, "x.y", "a\0b\0hostname\0mine\0os\0NotOS\0empty\0\0twice\0one\0twice\0two\0"));
	R(rados_service_register(cluster, service, "x.y", ""));
	R(rados_service_register(cluster, "", "", ""));

	SECTION("connected");
	MUST(rados_connect(cluster));
	R(rados_service_register(cluster, service, "2", ""));
	R(rados_service_update_status(cluster, "s\0t\0empty\0\0"));
	R(rados_service_update_status(cluster, ""));

	SECTION("registered when connected");
	rados_t late = t_connect();
	R(rados_service_update_status(late, "before\0it is registered\0"));
	R(rados_service_register(late, "osd", "x", ""));
	R(rados_service_register(late, service, "a b/c", ""));
	R(rados_service_register(late, service, "a b/c", ""));
	V(rados_shutdown(late));
	V(rados_shutdown(cluster));

	SECTION("a connect that failed");
	MUST(rados_create(&cluster, NULL));
	MUST(rados_conf_read_file(cluster, NULL));
	MUST(rados_conf_set(cluster, "mon_host", "v2:127.0.0.1:1"));
	MUST(rados_conf_set(cluster, "client_mount_timeout", "1"));
	R(rados_connect(cluster));
	R(rados_service_register(cluster, service, "x", ""));
	R(rados_service_register(cluster, service, "x", ""));
	R(rados_service_update_status(cluster, ""));
	V(rados_shutdown(cluster));
	return 0;
}
