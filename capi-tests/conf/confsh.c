/* Runs configuration calls from stdin on whichever librados it finds. Each command is printed, and below it, indented by two
 * blanks, its result; such lines are skipped in the input, so a transcript can be fed again. One command a line, fields
 * divided by tabs, "-" for a null pointer, \t \n \r \\ \xHH as in C:
 *   create ID | create2 CLUSTER NAME FLAGS | read PATH | set OPTION VALUE | get OPTION [LENGTH] | argv ARG...
 *   remainder ARG... (the word itself is the first argument) | bare ARG... (without it) | env VARIABLE | setenv NAME VALUE | unsetenv NAME | shutdown
 *   write PATH TEXT (a file, for read)
 */
#define _GNU_SOURCE
#include <rados/librados.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FIELDS 32

static char *null_or(char *field)
{
	return field && strcmp(field, "-") ? field : NULL;
}

static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '\\' && s[1]) {
			s++;
			char hex[3] = { *s == 'x' ? s[1] : 0, *s == 'x' && s[1] ? s[2] : 0, 0 };

			if (hex[0])
				s += 2;
			*to++ = hex[0] ? (char)strtol(hex, NULL, 16) : *s == 't' ? '\t' : *s == 'n' ? '\n' : *s == 'r' ? '\r' : *s;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

static void say(int result)
{
	if (result < 0)
		printf("%s\n", strerrorname_np(-result) ? strerrorname_np(-result) : "unknown error");
	else
		printf("%d\n", result);
}

int main(void)
{
	static char line[65536];
	rados_t cluster = NULL;

	while (fgets(line, sizeof(line), stdin)) {
		char *field[MAX_FIELDS + 1] = { 0 };
		int count = 0;
		char *rest = line;

		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "  ", 2))
			continue;
		if (!line[0] || line[0] == '#') {
			printf("%s\n", line);
			continue;
		}
		printf("%s\n  ", line);
		while (rest && count < MAX_FIELDS) {
			field[count] = strsep(&rest, "\t");
			unescape(field[count++]);
		}
		if (!strcmp(field[0], "create")) {
			say(rados_create(&cluster, null_or(field[1])));
		} else if (!strcmp(field[0], "create2")) {
			say(rados_create2(&cluster, null_or(field[1]), null_or(field[2]), field[3] ? strtoull(field[3], 0, 0) : 0));
		} else if (!strcmp(field[0], "read")) {
			say(rados_conf_read_file(cluster, null_or(field[1])));
		} else if (!strcmp(field[0], "set")) {
			say(rados_conf_set(cluster, field[1], field[2] ? field[2] : ""));
		} else if (!strcmp(field[0], "get")) {
			char value[4096];
			size_t length = field[2] ? strtoul(field[2], 0, 0) : sizeof(value);

			memset(value, '#', sizeof(value));
			int result = rados_conf_get(cluster, field[1], value, length);
			if (result == 0)
				printf("[%s] ", value);
			else if (length < 64)
				printf("(%.*s) ", (int)length + 1, value);
			say(result);
		} else if (!strcmp(field[0], "argv")) {
			say(rados_conf_parse_argv(cluster, count, (const char **)field));
		} else if (!strcmp(field[0], "remainder") || !strcmp(field[0], "bare")) {
			const char *left[MAX_FIELDS + 1];
			int first = !strcmp(field[0], "bare");

			for (int i = 0; i <= MAX_FIELDS; i++)
				left[i] = "untouched";
			int result = rados_conf_parse_argv_remainder(cluster, count - first, (const char **)field + first, left);
			for (int i = 0; i < count - first; i++)
				printf("[%s] ", left[i] ? left[i] : "(null)");
			say(result);
		} else if (!strcmp(field[0], "env")) {
			say(rados_conf_parse_env(cluster, null_or(field[1])));
		} else if (!strcmp(field[0], "setenv")) {
			say(setenv(field[1], field[2], 1));
		} else if (!strcmp(field[0], "unsetenv")) {
			say(unsetenv(field[1]));
		} else if (!strcmp(field[0], "write")) {
			FILE *file = fopen(field[1], "w");

			say(file ? fputs(field[2], file) < 0 : -errno);
			if (file)
				fclose(file);
		} else if (!strcmp(field[0], "shutdown")) {
			rados_shutdown(cluster);
			cluster = NULL;
			printf("done\n");
		} else {
			printf("no such command\n");
			return 1;
		}
		fflush(stdout);
	}
	return 0;
}
