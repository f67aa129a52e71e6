#include "initexe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* libcontainer's package exeseal names the memfds that it makes. */
static const char expected[] = "/memfd:runc_cloned:" TANGO_INIT_NAME " (deleted)";

/*
 * A priority of 101, the first that programs may use, puts this before libcontainer's
 * constructor, which has none. The parent is the shim: libcontainer executes init
 * right after the fork. Whatever is not as expected, this binary is init itself.
 */
__attribute__((constructor(101))) static void go_on_as_init(int argc, char **argv, char **envp)
{
	char path[64], target[sizeof(expected)];
	ssize_t n;

	if (argc != 2 || strcmp(argv[1], "init") != 0 || getenv("_LIBCONTAINER_INITPIPE") == NULL)
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getppid(), TANGO_INIT_FD);
	n = readlink(path, target, sizeof(target));
	if (n == sizeof(expected) - 1 && memcmp(target, expected, n) == 0)
		execve(path, argv, envp);
}
