/* Forms that leave their parent, their group, their session, or their name. */
#include "escape.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void double_fork_and(void (*body)(void))
{
	pid_t middle = fork();
	if (middle < 0)
		die("fork");
	if (middle == 0) {
		child(body);
		_exit(0);
	}
	waitpid(middle, NULL, 0);
}

static void form_hold(void) { ready(); }
static void form_quiet(void) {}

/* A program that starts the real daemon below itself. */
static void form_wrapper(void)
{
	child(ready);
	while (wait(NULL) > 0)
		;
	_exit(0);
}

static void form_double_fork(void) { double_fork_and(ready); }

static void new_session(void)
{
	if (setsid() < 0)
		die("setsid");
	ready();
}
static void form_setsid(void) { child(new_session); }
static void form_double_fork_setsid(void) { double_fork_and(new_session); }

static void new_group(void)
{
	if (setpgid(0, 0) != 0)
		die("setpgid");
	ready();
}
static void form_setpgid(void) { child(new_group); }

static void close_everything(void)
{
	if (setsid() < 0 || chdir("/") != 0)
		die("daemon");
	ready();
	closefrom(0);
}
static void form_closed(void) { double_fork_and(close_everything); }

/* daemon(3) as daemons do it: the leader exits 0. With an argument: a pid file. */
static void become_daemon(void)
{
	char text[32];
	if (setsid() < 0)
		die("setsid");
	if (fork() != 0)
		_exit(0);
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	snprintf(text, sizeof text, "%d\n", getpid());
	if (argument)
		put(argument, text);
}
static void lone_daemon(void)
{
	become_daemon();
	ready();
}
static void form_daemonise(void)
{
	child(lone_daemon);
	_exit(0);
}

/* A daemon whose workers have sessions of their own: nobody can say which one is the leader. */
static void session_worker(void)
{
	if (setsid() < 0)
		die("setsid");
	gate_pass();
}
static void daemon_with_workers(void)
{
	become_daemon();
	gate_make();
	for (int i = 0; i < 3; i++)
		child(session_worker);
	gate_await(3);
	ready();
}
static void form_daemonise_workers(void)
{
	child(daemon_with_workers);
	_exit(0);
}

/* Dies by itself, and leaves somebody each time. */
static void form_crash(void)
{
	gate_make();
	double_fork_and(session_worker);
	gate_await(1);
	ready();
	_exit(1);
}

static void form_children(void)
{
	gate_make();
	for (int i = 0; i < 200; i++)
		child(gate_pass);
	gate_await(200);
	ready();
}

/* A hundred processes, each the child of the one before. */
static void form_chain(void)
{
	for (int depth = 0; depth < 100; depth++)
		if (fork() != 0)
			hold();
	ready();
}

/* Forks and exits for ever: no pid stays long enough to be looked at twice. Fast only while LAB/fast
 * exists, and not for ever even then: the pids of the machine are for everybody. */
static noreturn void comet(int sessions)
{
	int first = 1, fast_laps = 3000;
	for (;;) {
		int fast = fast_laps > 0 && access(in_lab("fast"), F_OK) == 0;
		fast_laps -= fast;
		nap(fast ? 300 : 20000);
		pid_t next = fork();
		if (next > 0)
			_exit(0);
		if (next == 0 && sessions)
			setsid();
		if (next == 0 && first)
			ready();
		first = first && next < 0;
	}
}
static void fly(void) { comet(0); }
static void fly_through_sessions(void) { comet(1); }
static void form_comet(void) { child(fly); }
static void form_comet_setsid(void) { child(fly_through_sessions); }
static void form_comet_daemon(void)
{
	child(fly_through_sessions);
	_exit(0);
}

/* The child becomes its own parent's sibling. */
static void form_clone_parent(void)
{
	pid_t sibling = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (sibling < 0)
		die("clone");
	if (sibling == 0)
		ready();
}

/* Suspended until its child calls exec, which it never does. */
static void form_vfork(void)
{
	if (vfork() == 0) {
		ready();
		hold();
	}
}

/* The thread-group leader exits (and is a zombie by /proc) while a thread works on. */
static void *thread(void *leader)
{
	await_state(*(pid_t *)leader, 'Z');
	ready();
	hold();
}
static void form_thread(void)
{
	static pid_t leader;
	pthread_t id;
	leader = getpid();
	if (pthread_create(&id, NULL, thread, &leader) != 0)
		die("pthread_create");
	pthread_exit(NULL);
}

/* A command name that looks like the rest of a line of /proc/PID/stat. */
static void odd_name(void)
{
	setsid();
	prctl(PR_SET_NAME, ") Z 1 1\n(", 0, 0, 0);
	ready();
}
static void form_odd_name(void) { double_fork_and(odd_name); }

static void form_subreaper(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		die("prctl");
	double_fork_and(new_session);
}

/* /proc/PID of a process that may not be dumped belongs to root. */
static void undumpable(void)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	new_session();
}
static void form_undumpable(void) { double_fork_and(undumpable); }

/* Always the same pid, never the same program image for long. */
static void exec_loop(void)
{
	char *arguments[] = { "escape", (char *)lab, (char *)mark, "exec-loop", "again", NULL };
	if (!argument)
		ready();
	nap(3000);
	execv("/proc/self/exe", arguments);
	die("exec");
}
static void form_exec_loop(void)
{
	if (argument)
		exec_loop();
	double_fork_and(exec_loop);
}

const struct form ancestry_forms[] = {
	{ "hold", form_hold },
	{ "quiet", form_quiet },
	{ "wrapper", form_wrapper },
	{ "double-fork", form_double_fork },
	{ "double-fork-setsid", form_double_fork_setsid },
	{ "setsid", form_setsid },
	{ "setpgid", form_setpgid },
	{ "closed", form_closed },
	{ "daemonise", form_daemonise },
	{ "daemonise-workers", form_daemonise_workers },
	{ "crash", form_crash },
	{ "children", form_children },
	{ "chain", form_chain },
	{ "comet", form_comet },
	{ "comet-setsid", form_comet_setsid },
	{ "comet-daemon", form_comet_daemon },
	{ "clone-parent", form_clone_parent },
	{ "vfork", form_vfork },
	{ "thread", form_thread },
	{ "odd-name", form_odd_name },
	{ "subreaper", form_subreaper },
	{ "undumpable", form_undumpable },
	{ "exec-loop", form_exec_loop },
	{ 0 },
};
