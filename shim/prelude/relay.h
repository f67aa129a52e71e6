#ifndef TANGO_RELAY_H
#define TANGO_RELAY_H

/* The first field of a request; a service that doesn't know it declines. */
#define RELAY_MAGIC "tango-relay-1"

/* The exit status in a reply that means: do it yourself. */
#define RELAY_DECLINED 255

/* The largest request and reply, in bytes. */
#define RELAY_MAX (128 * 1024)

/* Room for the name of a service's socket. */
#define RELAY_NAME_MAX 32

/*
 * tango_relay_name writes the name of the socket of the service that may act for
 * this process. It stands for the binary and the namespaces: a service that runs
 * another binary, or sees another host, has another name. It returns 0 or -1.
 */
int tango_relay_name(char *name);

/*
 * tango_relay has what containerd executed this process for be done by the host's
 * service, and ends it; where there is no service, or it declines, it returns.
 */
void tango_relay(int argc, char **argv, char **envp);

/* tango_inherited_files is the soft limit of open files that this process was executed with. */
unsigned long long tango_inherited_files(void);

#endif
