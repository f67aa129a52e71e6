#define _GNU_SOURCE
#include "holder.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

/* The holder makes four system calls; glibc's clone wants some room as well. */
#define STACK_SIZE (16 * 1024)

/*
 * The holder shares all memory with its parent, thread-local storage included,
 * and every signal is blocked in it: no handler of the parent's ever runs here.
 * It must do nothing but system calls, none of which fails (errno is the
 * parent's).
 */
static int hold(void *parent)
{
	/* Whoever kills the parent process kills this. */
	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (syscall(SYS_getppid) != (long)parent)
		return 0;
	for (;;)
		syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}

int tango_holder_start(struct holder *h, int own_mounts)
{
	/*
	 * CLONE_VM: nothing is copied, so the size of the parent costs nothing.
	 * CLONE_FILES: no descriptor of the parent's is kept open by the holder.
	 * CLONE_UNTRACED: who traces the parent does not get to hold this one.
	 * The exit signal is 0: the parent gets no SIGCHLD, and no wait without
	 * __WALL or __WCLONE sees the child.
	 */
	const int flags = CLONE_NEWUSER | CLONE_VM | CLONE_FILES | CLONE_PIDFD | CLONE_UNTRACED |
			  (own_mounts ? CLONE_NEWNS : 0);
	long parent = syscall(SYS_getpid);
	uint64_t all = ~(uint64_t)0, before;
	int err = 0;

	h->stack = malloc(STACK_SIZE);
	if (h->stack == NULL)
		return ENOMEM;
	/* Not by pthread_sigmask, which leaves out the two signals that libc uses. */
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof(all));
	h->pid = clone(hold, (char *)h->stack + STACK_SIZE, flags, (void *)parent, &h->pidfd);
	if (h->pid < 0)
		err = errno;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before));
	if (err != 0)
		tango_holder_free(h);
	return err;
}

void tango_holder_free(struct holder *h)
{
	free(h->stack);
	h->stack = NULL;
}
