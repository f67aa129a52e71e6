#ifndef TANGO_INITEXE_H
#define TANGO_INITEXE_H

/* By this descriptor a shim holds the program that its containers start from. */
#define TANGO_INIT_FD 4

/* The memfd's name, by which the program is told from whatever else may be there. */
#define TANGO_INIT_NAME "tango-init"

/* tango_go_on_as_init executes that program where libcontainer has executed this one as init. */
void tango_go_on_as_init(int argc, char **argv, char **envp);

#endif
