/* hold PID: a debugger that has attached to a process and attends to nothing. Its end lets the process go. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 2)
		return 100;
	/* not longer than the test */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ptrace(PTRACE_SEIZE, (pid_t)atoi(argv[1]), 0, 0) != 0) {
		perror("ptrace");
		return 111;
	}
	for (;;)
		pause();
}
