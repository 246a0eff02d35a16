/* escape: processes that do not want to end with their service. What the forms share. */
#ifndef ESCAPE_H
#define ESCAPE_H

#define _GNU_SOURCE
#include <stdnoreturn.h>
#include <sys/types.h>

/* argv: escape LAB MARK FORM [ARGUMENT]
 * LAB   the test's directory: LAB/events (everybody appends), LAB/leash (all end when it is gone),
 *       LAB/marks/SERVICE.GENERATION (locked by descriptor 9, inherited from the run script).
 * MARK  SERVICE.GENERATION@SANDBOX: stays in the argument list of every descendant, also of those
 *       that close their descriptors. */
extern const char *lab, *mark, *argument;

/* One appended line "MARK WHAT": what the test waits for. */
void say(const char *what);
/* Says "ready": every process of this form is where it wants to be. */
void ready(void);
/* Stays until the leash is gone. */
noreturn void hold(void);
/* Sleeps so many microseconds, and ends when the leash is gone. */
void nap(long microseconds);
/* Forks (retrying for ever: a form that cannot fork proves nothing); the child runs `body`, then holds. */
pid_t child(void (*body)(void));
/* Replaces the content of `path`; ends with a message when that fails. */
void put(const char *path, const char *text);
/* LAB/NAME in a static buffer. */
const char *in_lab(const char *name);
noreturn void die(const char *what);

/* A pipe through which `n` processes say that they are there. */
void gate_make(void);
void gate_pass(void);
void gate_await(int n);

/* Waits until process `pid` is in state `state` (a letter of /proc/PID/stat). */
void await_state(pid_t pid, char state);

/* Locks descriptor 9 as this generation's and reports each older one that is still held. */
int claim(void);

struct form {
	const char *name;
	void (*run)(void);
};
extern const struct form ancestry_forms[], signal_forms[], kernel_forms[];

#endif
