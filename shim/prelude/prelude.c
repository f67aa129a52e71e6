#include "initexe.h"
#include "relay.h"

/* tango_prelude is called by the entry point with the stack that the kernel has made. */
void tango_prelude(long *stack)
{
	int argc = (int)stack[0];
	char **argv = (char **)(stack + 1);
	char **envp = argv + argc + 1;

	tango_go_on_as_init(argc, argv, envp);
	tango_relay(argc, argv, envp);
}
