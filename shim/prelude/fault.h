#ifndef TANGO_FAULT_H
#define TANGO_FAULT_H

/*
 * tango_fault marks a place that tests hold up, or kill the process at: what package
 * mounts/fault is for Go. Only builds with the tag "faults" have it. The control
 * directory is in the environment, which containerd hands on to all that begins here.
 */
#ifdef TANGO_FAULTS
void tango_fault(char **envp, const char *name);
#else
#define tango_fault(envp, name) ((void)(envp))
#endif

#endif
