/* A process whose first thread has ended while another goes on. */
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *stay(void *unused)
{
	(void)unused;
	usleep(10000); /* so that the first thread is most likely gone */
	write(8, "x", 1);
	for (;;)
		pause();
}

int main(void)
{
	pthread_t thread;
	if (pthread_create(&thread, 0, stay, 0))
		return 1;
	syscall(SYS_exit, 0);
	return 2;
}
