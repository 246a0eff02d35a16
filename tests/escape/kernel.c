/* Forms that use what the kernel offers for setting processes apart: namespaces, users, cgroups. */
#include "escape.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void apart(int flags, const char *what)
{
	if (unshare(flags) != 0)
		die(what);
}

/* Process 1 of a pid namespace does not even notice TERM. */
static void first_of_namespace(void)
{
	setsid();
	child(ready);
}
static void pid_namespace(int flags)
{
	apart(flags, "unshare pid");
	child(first_of_namespace);
}
static void form_pid_namespace(void) { pid_namespace(CLONE_NEWPID); }
static void form_user_pid_namespace(void) { pid_namespace(CLONE_NEWUSER | CLONE_NEWPID); }

static void in_user_namespace(void)
{
	apart(CLONE_NEWUSER, "unshare user");
	setsid();
	ready();
}
static void form_user_namespace(void) { child(in_user_namespace); }

/* Nothing of the service's file system is seen any more but what was inherited. */
static void in_mount_namespace(void)
{
	apart((geteuid() == 0 ? 0 : CLONE_NEWUSER) | CLONE_NEWNS, "unshare mount");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("none", "/mnt", "tmpfs", 0, NULL) != 0)
		die("mount");
	if (chdir("/mnt") != 0)
		die("chdir");
	setsid();
	ready();
}
static void form_mount_namespace(void) { child(in_mount_namespace); }

static void become_nobody(void)
{
	if (setgid(65534) != 0 || setuid(65534) != 0)
		die("setuid");
	gate_pass();
}
static void form_setuid(void)
{
	gate_make();
	child(become_nobody);
	become_nobody();
	gate_await(2);
	ready();
}

/* This process' group: ARGUMENT is "MOUNT:SELECTOR", SELECTOR as in /proc/self/cgroup ("" is v2). */
static void own_group(char *path, size_t size)
{
	char line[PATH_MAX];
	const char *colon = strchr(argument, ':');
	FILE *groups = fopen("/proc/self/cgroup", "re");
	while (colon && groups && fgets(line, sizeof line, groups)) {
		char *selector = strchr(line, ':'), *group = selector ? strchr(selector + 1, ':') : NULL;
		if (!group)
			break;
		*group++ = 0;
		group[strcspn(group, "\n")] = 0;
		if (strcmp(selector + 1, colon + 1) != 0)
			continue;
		snprintf(path, size, "%.*s%s", (int)(colon - argument), argument, group);
		fclose(groups);
		return;
	}
	die("own cgroup");
}
static int is_v2(void) { return strchr(argument, ':')[1] == 0; }

static const char *join(const char *directory, const char *name)
{
	static char path[2 * PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

/* Below the group the service was given, named after the mark, so that the test can find it. */
static void make_subgroup(char *path, size_t size)
{
	char own[PATH_MAX];
	own_group(own, sizeof own);
	if (snprintf(path, size, "%s/%s", own, mark) >= (int)size || mkdir(path, 0755) != 0)
		die("mkdir cgroup");
}
static void enter(const char *group) { put(join(group, "cgroup.procs"), "0"); }

static void form_subgroup(void)
{
	static char group[PATH_MAX], deeper[PATH_MAX + 16];
	make_subgroup(group, sizeof group);
	snprintf(deeper, sizeof deeper, "%s/deeper", group);
	if (mkdir(deeper, 0755) != 0)
		die("mkdir cgroup");
	if (fork() != 0)
		hold();
	enter(deeper);
	setsid();
	ready();
}

/* The processes of a threaded group can be listed only where its domain begins. */
static void form_threaded(void)
{
	static char group[PATH_MAX];
	make_subgroup(group, sizeof group);
	put(join(group, "cgroup.type"), "threaded");
	if (fork() != 0)
		hold();
	enter(group);
	ready();
}

static void await_frozen(const char *group)
{
	const char *path = join(group, is_v2() ? "cgroup.events" : "freezer.state");
	for (;;) {
		char text[128];
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
		close(fd);
		if (n < 0)
			die(path);
		text[n] = 0;
		if (strstr(text, is_v2() ? "frozen 1" : "FROZEN"))
			return;
		nap(2000);
	}
}
static void enter_subgroup(void)
{
	gate_pass();
	hold();
}
static void form_frozen(void)
{
	static char group[PATH_MAX];
	char pid[16];
	make_subgroup(group, sizeof group);
	gate_make();
	snprintf(pid, sizeof pid, "%d", child(enter_subgroup));
	gate_await(1);
	put(join(group, "cgroup.procs"), pid);
	if (is_v2())
		put(join(group, "cgroup.freeze"), "1");
	else
		put(join(group, "freezer.state"), "FROZEN");
	await_frozen(group);
	ready();
}

/* ARGUMENT is a group made by the test. Parent and group are both left on purpose. */
static void form_mover(void)
{
	pid_t middle = fork();
	if (middle == 0) {
		enter(argument);
		child(ready);
		_exit(0);
	}
	waitpid(middle, NULL, 0);
}

const struct form kernel_forms[] = {
	{ "pid-namespace", form_pid_namespace },
	{ "user-pid-namespace", form_user_pid_namespace },
	{ "user-namespace", form_user_namespace },
	{ "mount-namespace", form_mount_namespace },
	{ "setuid", form_setuid },
	{ "subgroup", form_subgroup },
	{ "threaded", form_threaded },
	{ "frozen", form_frozen },
	{ "mover", form_mover },
	{ 0 },
};
