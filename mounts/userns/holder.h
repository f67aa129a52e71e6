#ifndef TANGO_USERNS_HOLDER_H
#define TANGO_USERNS_HOLDER_H

/* What holds a new user namespace open until it has its maps. */
struct holder {
	int pid;
	int pidfd;
	void *stack;
};

/* tango_holder_start returns 0, or an errno. */
int tango_holder_start(struct holder *h);

/* tango_holder_free gives back the stack of a holder that has been reaped. */
void tango_holder_free(struct holder *h);

#endif
