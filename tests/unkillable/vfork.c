/* A parent that waits in vfork for a child which is stopped. */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <unistd.h>

int main(void)
{
	if (vfork() == 0) {
		kill(getpid(), SIGSTOP);
		_exit(0);
	}
	return 0;
}
