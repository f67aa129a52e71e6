#define _GNU_SOURCE
#include "holder.h"
#include "rawcall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
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
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef OPEN_TREE_NAMESPACE
#define OPEN_TREE_NAMESPACE 2 /* Linux 7.0 */
#endif

/*
 * Makes the mount namespace of what the thread's root shows. The maps are not there
 * yet, and needn't be: clone's copy is made without them, too.
 */
static void make_tree(struct holder *h)
{
	h->tree = raw_call(SYS_open_tree, AT_FDCWD, (long)"/", OPEN_TREE_NAMESPACE | AT_RECURSIVE | O_CLOEXEC, 0);
	__atomic_store_n(&h->busy, 0, __ATOMIC_RELEASE);
	raw_call(SYS_futex, (long)&h->busy, FUTEX_WAKE, 1, 0);
}

/*
 * The holder shares all memory with its parent, thread-local storage included,
 * and every signal is blocked in it: no handler of the parent's ever runs here.
 * It must do nothing but system calls, and those not by the C library, whose errno
 * is the parent's.
 */
static int hold(void *shared)
{
	struct holder *h = shared;

	/* Whoever kills the parent process kills this. */
	raw_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
	if (raw_call(SYS_getppid, 0, 0, 0, 0) != h->parent)
		return 0;
	if (h->busy)
		make_tree(h);
	for (;;)
		raw_call(SYS_ppoll, 0, 0, 0, 0);
}

/* Clones with every signal blocked, and returns 0 or an errno. */
static int start(struct holder *h, int flags)
{
	uint64_t all = ~(uint64_t)0, before;
	int err = 0;

	/* Not by pthread_sigmask, which leaves out the two signals that libc uses. */
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof(all));
	h->pid = clone(hold, h->stack + sizeof(h->stack), flags, h, &h->pidfd, NULL, &h->busy);
	if (h->pid < 0)
		err = errno;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before));
	return err;
}

int tango_holder_start(struct holder **started, enum holder_mounts mounts)
{
	/*
	 * CLONE_VM: nothing is copied, so the size of the parent costs nothing.
	 * CLONE_FILES: no descriptor of the parent's is kept open by the holder, and
	 * what it opens is the parent's.
	 * CLONE_UNTRACED: who traces the parent does not get to hold this one.
	 * CLONE_CHILD_CLEARTID: nobody waits for one that is killed.
	 * The exit signal is 0: the parent gets no SIGCHLD, and no wait without
	 * __WALL or __WCLONE sees the child.
	 */
	const int flags = CLONE_NEWUSER | CLONE_VM | CLONE_FILES | CLONE_PIDFD | CLONE_UNTRACED |
			  CLONE_CHILD_CLEARTID | (mounts == HOLDER_COPY ? CLONE_NEWNS : 0);
	struct holder *h = malloc(sizeof(*h));
	int err;

	if (h == NULL)
		return ENOMEM;
	h->parent = getpid();
	h->busy = mounts == HOLDER_TREE;
	h->tree = -ESRCH;
	err = start(h, flags);
	if (err != 0)
		free(h);
	else
		*started = h;
	return err;
}

int tango_holder_take_tree(struct holder *h)
{
	int tree;

	while (__atomic_load_n(&h->busy, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &h->busy, FUTEX_WAIT, 1, NULL);
	tree = h->tree;
	h->tree = -ESRCH;
	return tree;
}

void tango_holder_free(struct holder *h)
{
	free(h);
}
