#ifndef TANGO_SYSMON_H
#define TANGO_SYSMON_H

/* By how much the monitor thread may be late, in nanoseconds. */
#define TANGO_SYSMON_SLACK 200000

#endif
