#ifndef TANGO_USERNS_HOLDER_H
#define TANGO_USERNS_HOLDER_H

/* What holds new namespaces open until they have their maps. */
struct holder {
	int pid;
	int pidfd;
	void *stack;
};

/*
 * tango_holder_start returns 0, or an errno. With own_mounts the holder also has
 * a new mount namespace, which belongs to the user namespace.
 */
int tango_holder_start(struct holder *h, int own_mounts);

/* tango_holder_free gives back the stack of a holder that has been reaped. */
void tango_holder_free(struct holder *h);

#endif
