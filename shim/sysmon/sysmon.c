#include "sysmon.h"

#include <pthread.h>
#include <sys/prctl.h>

typedef void *(*thread_function)(void *);

/* The linker has all calls of pthread_create come here (--wrap of ld(1)). */
int __real_pthread_create(pthread_t *, const pthread_attr_t *, thread_function, void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, thread_function, void *);

static long usual; /* the slack that the process was started with, once it is known */

/* What the monitor thread runs. */
static thread_function monitor;
static void *monitor_argument;

static __thread int is_monitor;

static void set_slack(long nanoseconds)
{
	prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0);
}

static void *run_monitor(void *unused)
{
	(void)unused;
	is_monitor = 1;
	set_slack(TANGO_SYSMON_SLACK);
	return monitor(monitor_argument);
}

/*
 * The first thread that a Go program makes is the monitor (main in runtime/proc.go).
 * There is no other then, so nothing here is raced for. One that the process is late for
 * anyway, or never (a real-time one has no slack), is left alone.
 */
static int starts_monitor(void)
{
	if (usual != 0)
		return 0;
	usual = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
	return usual > 0 && usual < TANGO_SYSMON_SLACK;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, thread_function run, void *argument)
{
	int err;

	if (starts_monitor()) {
		monitor = run;
		monitor_argument = argument;
		return __real_pthread_create(thread, attributes, run_monitor, 0);
	}
	if (!is_monitor)
		return __real_pthread_create(thread, attributes, run, argument);
	set_slack(usual);
	err = __real_pthread_create(thread, attributes, run, argument);
	set_slack(TANGO_SYSMON_SLACK);
	return err;
}
