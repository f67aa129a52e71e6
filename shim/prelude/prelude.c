#include "initexe.h"
#include "relay.h"

#include "sys.h"

/*
 * name_process gives this process, and so all threads that Go will start, the name
 * that people look for in ps and top. One that is executed by descriptor is called
 * by a number.
 */
static void name_process(const char *path)
{
	const char *name = path;

	for (; *path != '\0'; path++)
		if (*path == '/')
			name = path + 1;
	sys_set_name(name); /* the first 15 bytes */
}

/* tango_prelude is called by the entry point with the stack that the kernel has made. */
void tango_prelude(long *stack)
{
	int argc = (int)stack[0];
	char **argv = (char **)(stack + 1);
	char **envp = argv + argc + 1;

	tango_go_on_as_init(argc, argv, envp);
	if (argc > 0)
		name_process(argv[0]);
	tango_relay(argc, argv, envp);
}
