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

/* Whether some process has `text` as a word of its argument list. */
static int is_argument(const char *text)
{
	char path[64], line[4096];
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int found = 0;
	while (proc && !found && (entry = readdir(proc))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof path, "/proc/%.20s/cmdline", entry->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
		close(fd);
		if (n <= 0)
			continue;
		line[n] = 0;
		for (char *word = line; word < line + n && !found; word += strlen(word) + 1)
			found = strcmp(word, text) == 0;
	}
	if (proc)
		closedir(proc);
	return found;
}

int claim(void)
{
	char own[256], path[PATH_MAX], other_mark[512], line[600];
	const char *sandbox = strchr(mark, '@');
	size_t own_length = sandbox ? (size_t)(sandbox - mark) : 0;
	if (own_length == 0 || own_length >= sizeof own || flock(9, LOCK_EX) != 0)
		die("claim");
	memcpy(own, mark, own_length);
	own[own_length] = 0;
	size_t service_length = strrchr(own, '.') - own + 1;

	DIR *marks = opendir(in_lab("marks"));
	struct dirent *entry;
	if (!marks)
		die("marks");
	while ((entry = readdir(marks))) {
		const char *other = entry->d_name;
		if (strncmp(other, own, service_length) != 0 || strcmp(other, own) == 0)
			continue;
		snprintf(path, sizeof path, "%s/marks/%s", lab, other);
		snprintf(other_mark, sizeof other_mark, "%s%s", other, sandbox);
		if (is_locked(path) || is_argument(other_mark)) {
			snprintf(line, sizeof line, "overlaps %s", other);
			say(line);
		}
	}
	closedir(marks);
	return 0;
}
