#include "fault.h"

#ifdef TANGO_FAULTS

#include <limits.h>
#include <signal.h>

#include "sys.h"

/* in writes DIR/KIND/PREFIX-NAME, without a prefix that is negative. */
static void in(char *path, const char *dir, const char *kind, long prefix, const char *name)
{
	path = put_text(put_text(path, dir), kind);
	if (prefix >= 0)
		path = put_text(put_number(path, prefix), "-");
	put_text(path, name);
}

static long open_file(const char *path, int flags)
{
	return sys_call(SYS_openat, AT_FDCWD, (long)path, flags | O_CLOEXEC, 0600, 0);
}

static long rename_file(const char *from, const char *to)
{
	return sys_call(SYS_renameat2, AT_FDCWD, (long)from, AT_FDCWD, (long)to, 0);
}

/*
 * passes counts this passage, if passages are to be let through first: "WHAT SKIP",
 * of at most 9.
 */
static int passes(char *what, long size, long file)
{
	if (size < 3 || what[size - 2] != ' ' || what[size - 1] <= '0' || what[size - 1] > '9')
		return 0;
	what[size - 1]--;
	sys_seek_start(file);
	sys_write(file, what, size);
	return 1;
}

/* strike kills this process, or holds it up for so many milliseconds. */
static void strike(const char *what)
{
	struct pollfd none = {.fd = -1};
	long milliseconds = 0;

	if (*what == 'k')
		sys_kill(sys_call(SYS_getpid, 0, 0, 0, 0, 0), SIGKILL);
	for (; *what >= '0' && *what <= '9'; what++)
		milliseconds = milliseconds * 10 + (*what - '0');
	sys_poll(&none, milliseconds);
}

void tango_fault(char **envp, const char *name)
{
	char armed[PATH_MAX + 64], fired[PATH_MAX + 64], what[16];
	const char *dir = find_env(envp, "TANGO_FAULTS=");
	long file, size;

	what[0] = '\0';
	if (dir == NULL || length(dir) > PATH_MAX)
		return;
	in(armed, dir, "/seen/", -1, name);
	sys_close(open_file(armed, O_CREAT | O_WRONLY));
	in(armed, dir, "/armed/", -1, name);
	in(fired, dir, "/fired/", sys_call(SYS_getpid, 0, 0, 0, 0, 0), name);
	if (rename_file(armed, fired) != 0 || (file = open_file(fired, O_RDWR)) < 0)
		return;
	size = sys_read(file, what, sizeof(what) - 1);
	what[size > 0 ? size : 0] = '\0';
	if (passes(what, size, file))
		rename_file(fired, armed);
	else
		strike(what);
	sys_close(file);
}

#endif
