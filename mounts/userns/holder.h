#ifndef TANGO_USERNS_HOLDER_H
#define TANGO_USERNS_HOLDER_H

/* The holder makes a few system calls; glibc's clone wants some room as well. */
#define HOLDER_STACK (16 * 1024)

/* How the holder gets a new mount namespace, which belongs to the user namespace. */
enum holder_mounts {
	HOLDER_NO_MOUNTS,
	HOLDER_COPY, /* clone makes it, along with the user namespace */
	HOLDER_TREE, /* open_tree makes it, which the holder calls (Linux 7.0) */
};

/* What holds new namespaces open until they have their maps, with what it shares. */
struct holder {
	int pid;
	int pidfd;
	int parent; /* pid */
	int busy;   /* futex: open_tree may still be running. The kernel clears it when the holder ends */
	int tree;   /* of HOLDER_TREE: the mount namespace, or a negative error number */
	_Alignas(16) char stack[HOLDER_STACK];
};

/*
 * tango_holder_start returns 0, or an errno. What it puts into *started is freed by
 * tango_holder_free when the holder has been reaped, not before.
 */
int tango_holder_start(struct holder **started, enum holder_mounts mounts);

/*
 * tango_holder_take_tree waits until the holder of HOLDER_TREE has called open_tree and
 * returns the mount namespace, which the caller owns from then on, or a negative
 * error number: ESRCH if the holder has ended without, and if there is none or it was
 * taken before.
 */
int tango_holder_take_tree(struct holder *h);

void tango_holder_free(struct holder *h);

#endif
