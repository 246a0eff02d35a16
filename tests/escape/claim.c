/* escape claim: a new generation looks, before it does anything else, whether an old one is still there. */
#include "escape.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* A lock belongs to the open file, and lives as long as any descriptor inherited from it. */
static int is_locked(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	int held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(fd);
	return held;
}

static int begins_with(const char *word, const char *with, size_t length)
{
	return strncmp(word, with, length) == 0;
}

static void report(const char *other, size_t length)
{
	char line[600];
	snprintf(line, sizeof line, "overlaps %.*s", (int)length, other);
	say(line);
}

/* Older generations' marks are words of somebody's argument list: "SERVICE." first, "@SANDBOX" last. */
static void look_at_arguments(const char *service, size_t service_length, const char *sandbox)
{
	char path[64], line[4096];
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	while (proc && (entry = readdir(proc))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof path, "/proc/%.20s/cmdline", entry->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
		close(fd);
		if (n <= 0)
			continue;
		line[n] = 0;
		for (char *word = line; word < line + n; word += strlen(word) + 1) {
			const char *end = strchr(word, '@');
			if (end && strcmp(end, sandbox) == 0 && begins_with(word, service, service_length) &&
			    strcmp(word, mark) != 0)
				report(word, end - word);
		}
	}
	if (proc)
		closedir(proc);
}

int claim(void)
{
	char path[PATH_MAX];
	const char *sandbox = strchr(mark, '@');
	if (!sandbox || flock(9, LOCK_EX | LOCK_NB) != 0)
		die("claim");
	size_t own_length = sandbox - mark, service_length = own_length;
	while (service_length > 0 && mark[service_length - 1] != '.')
		service_length--;

	DIR *marks = opendir(in_lab("marks"));
	struct dirent *entry;
	if (!marks)
		die("marks");
	while ((entry = readdir(marks))) {
		const char *other = entry->d_name;
		int own = strlen(other) == own_length && begins_with(other, mark, own_length);
		snprintf(path, sizeof path, "%s/marks/%s", lab, other);
		if (!own && begins_with(other, mark, service_length) && is_locked(path))
			report(other, strlen(other));
	}
	closedir(marks);
	look_at_arguments(mark, service_length, sandbox);
	return 0;
}
