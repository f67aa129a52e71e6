#include <malloc.h>

/*
 * Threads of a Go program allocate from C's heap when they start, and never again.
 * An arena for each is a page that stays, and some system calls.
 */
__attribute__((constructor)) static void allocate_from_one_arena(void) { mallopt(M_ARENA_MAX, 1); }
