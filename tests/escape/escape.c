/* escape: main, and what the forms share. See escape.h. */
#include "escape.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *lab, *mark, *argument;
static int gate[2];
/* Nobody outlives a test that was itself killed by more than this. */
static const time_t LIFETIME = 1800;
static time_t deadline;

noreturn void die(const char *what)
{
	char line[512];
	snprintf(line, sizeof line, "failed: %s: %s", what, strerror(errno));
	say(line);
	_exit(98);
}

const char *in_lab(const char *name)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", lab, name);
	return path;
}

void say(const char *what)
{
	char line[1024];
	int n = snprintf(line, sizeof line, "%s %s\n", mark, what);
	int fd = open(in_lab("events"), O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 || write(fd, line, n) != n)
		_exit(97);
	close(fd);
}

void ready(void) { say("ready"); }

void nap(long microseconds)
{
	struct timespec pause = { microseconds / 1000000, microseconds % 1000000 * 1000 };
	nanosleep(&pause, NULL);
	if (access(in_lab("leash"), F_OK) != 0 || time(NULL) > deadline)
		_exit(0);
}

noreturn void hold(void)
{
	for (;;)
		nap(2000000);
}

pid_t child(void (*body)(void))
{
	pid_t pid;
	while ((pid = fork()) < 0)
		nap(1000);
	if (pid == 0) {
		body();
		hold();
	}
	return pid;
}

void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

void gate_make(void)
{
	if (pipe(gate) != 0)
		die("pipe");
}

void gate_pass(void)
{
	if (write(gate[1], "", 1) != 1)
		die("gate");
}

void gate_await(int n)
{
	char c;
	while (n > 0) {
		ssize_t got = read(gate[0], &c, 1);
		if (got == 1)
			n--;
		else if (got == 0 || errno != EINTR)
			die("gate");
	}
}

void await_state(pid_t pid, char state)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	for (;;) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
		close(fd);
		if (n <= 0)
			die(path);
		text[n] = 0;
		const char *after_name = strrchr(text, ')');
		if (after_name && after_name[2] == state)
			return;
		nap(2000);
	}
}

static int run_form(const struct form *form, const char *name)
{
	for (; form->name; form++)
		if (strcmp(form->name, name) == 0) {
			form->run();
			hold();
		}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fputs("usage: escape lab mark form [argument]\n", stderr);
		return 100;
	}
	lab = argv[1];
	mark = argv[2];
	argument = argc > 4 ? argv[4] : NULL;
	deadline = time(NULL) + LIFETIME;
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(argv[3], "claim") == 0)
		return claim();
	run_form(ancestry_forms, argv[3]);
	run_form(signal_forms, argv[3]);
	run_form(kernel_forms, argv[3]);
	errno = EINVAL;
	die(argv[3]);
}
