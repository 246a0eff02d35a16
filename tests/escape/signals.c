/* Forms that do not do what they are told. */
#include "escape.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void ignore_all(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
}

/* Only the leader ignores TERM. */
static void form_ignore(void)
{
	signal(SIGTERM, SIG_IGN);
	ready();
}

/* The leader obeys; what it leaves does not. */
static void stubborn(void)
{
	ignore_all();
	ready();
}
static void form_ignore_child(void) { child(stubborn); }

static void stubborn_at_gate(void)
{
	ignore_all();
	gate_pass();
}
static void form_ignore_all(void)
{
	ignore_all();
	gate_make();
	for (int i = 0; i < 5; i++)
		child(stubborn_at_gate);
	gate_await(5);
	ready();
}

/* On TERM each leaves a successor in a session of its own. */
static void succeed(int signal_number)
{
	(void)signal_number;
	if (fork() != 0)
		_exit(0);
	setsid();
}
static void hydra(void)
{
	signal(SIGTERM, succeed);
	gate_pass();
}
static void form_fork_on_term(void)
{
	gate_make();
	hydra();
	child(hydra);
	child(hydra);
	gate_await(3);
	ready();
}

static void stop_self(void)
{
	raise(SIGSTOP);
	hold();
}
static void form_stopped_child(void)
{
	pid_t stopped = child(stop_self);
	waitpid(stopped, NULL, WUNTRACED);
	ready();
}

static void stopped_stubborn(void)
{
	ignore_all();
	stop_self();
}
static void form_stopped_ignore(void)
{
	pid_t stopped = child(stopped_stubborn);
	waitpid(stopped, NULL, WUNTRACED);
	ready();
}

static void watch_parent_stop(void)
{
	await_state(getppid(), 'T');
	ready();
	_exit(0);
}
static void form_stopped_leader(void)
{
	child(watch_parent_stop);
	raise(SIGSTOP);
}

/* On TERM: flushes for ARGUMENT seconds, and says so when that was not cut short. */
static void flush_on_term(void)
{
	struct timespec while_leashed = { 2, 0 };
	sigset_t term;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	ready();
	while (sigtimedwait(&term, NULL, &while_leashed) < 0)
		nap(0);
	say("flushing");
	for (int tenths = atoi(argument) * 10; tenths > 0; tenths--)
		nap(100000);
	say("flushed");
	_exit(0);
}
static void form_flush(void) { flush_on_term(); }
static void form_wrapper_flush(void)
{
	child(flush_on_term);
	while (wait(NULL) > 0)
		;
	_exit(0);
}

/* Stopped by a tracer that never lets it go on. */
static void traced(void)
{
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
		die("ptrace");
	raise(SIGSTOP);
}
static void tracer(void)
{
	setsid();
	ignore_all();
	pid_t tracee = child(traced);
	waitpid(tracee, NULL, 0);
	ready();
}
static void form_traced(void) { child(tracer); }

const struct form signal_forms[] = {
	{ "ignore", form_ignore },
	{ "ignore-child", form_ignore_child },
	{ "ignore-all", form_ignore_all },
	{ "fork-on-term", form_fork_on_term },
	{ "stopped-child", form_stopped_child },
	{ "stopped-ignore", form_stopped_ignore },
	{ "stopped-leader", form_stopped_leader },
	{ "flush", form_flush },
	{ "wrapper-flush", form_wrapper_flush },
	{ "traced", form_traced },
	{ 0 },
};
