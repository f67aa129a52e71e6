#ifndef TANGO_SYS_H
#define TANGO_SYS_H

/*
 * System calls and strings without the C library. The calls return what the kernel
 * does: a negative error number where they fail.
 */

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#if defined(__x86_64__)

static inline long sys_call(long number, long a, long b, long c, long d, long e)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

#elif defined(__aarch64__)

static inline long sys_call(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}

#else
#error "tango's prelude knows amd64 and arm64 only"
#endif

static inline long sys_close(int fd) { return sys_call(SYS_close, fd, 0, 0, 0, 0); }
static inline long sys_set_name(const char *name) { return sys_call(SYS_prctl, PR_SET_NAME, (long)name, 0, 0, 0); }
static inline long sys_getppid(void) { return sys_call(SYS_getppid, 0, 0, 0, 0, 0); }
static inline long sys_kill(long pid, int signal) { return sys_call(SYS_kill, pid, signal, 0, 0, 0); }
static inline long sys_pidfd_open(long pid) { return sys_call(SYS_pidfd_open, pid, 0, 0, 0, 0); }
static inline long sys_dup3(int from, int to, int flags) { return sys_call(SYS_dup3, from, to, flags, 0, 0); }
static inline long sys_memfd_create(const char *name, int flags) { return sys_call(SYS_memfd_create, (long)name, flags, 0, 0, 0); }
static inline long sys_open(const char *path, int flags) { return sys_call(SYS_openat, AT_FDCWD, (long)path, flags, 0, 0); }
static inline long sys_getcwd(char *to, size_t size) { return sys_call(SYS_getcwd, (long)to, size, 0, 0, 0); }
static inline long sys_read(int fd, void *to, size_t size) { return sys_call(SYS_read, fd, (long)to, size, 0, 0); }
static inline long sys_write(int fd, const void *from, size_t size) { return sys_call(SYS_write, fd, (long)from, size, 0, 0); }
static inline long sys_seek_start(int fd) { return sys_call(SYS_lseek, fd, 0, 0 /* SEEK_SET */, 0, 0); }

static inline long sys_readlink(const char *path, char *to, size_t size)
{
	return sys_call(SYS_readlinkat, AT_FDCWD, (long)path, (long)to, size, 0);
}

static inline long sys_stat(const char *path, struct stat *to)
{
	return sys_call(SYS_newfstatat, AT_FDCWD, (long)path, (long)to, 0, 0);
}

static inline long sys_execve(const char *path, char **argv, char **envp)
{
	return sys_call(SYS_execve, (long)path, (long)argv, (long)envp, 0, 0);
}

static inline long sys_getrlimit(int resource, struct rlimit *to)
{
	return sys_call(SYS_prlimit64, 0, resource, 0, (long)to, 0);
}

static inline long sys_socket(int domain, int type) { return sys_call(SYS_socket, domain, type, 0, 0, 0); }

static inline long sys_connect(int sock, const void *address, size_t size)
{
	return sys_call(SYS_connect, sock, (long)address, size, 0, 0);
}

static inline long sys_sendmsg(int sock, const struct msghdr *m, int flags)
{
	return sys_call(SYS_sendmsg, sock, (long)m, flags, 0, 0);
}

static inline long sys_peer(int sock, void *to, socklen_t *size)
{
	return sys_call(SYS_getsockopt, sock, SOL_SOCKET, SO_PEERCRED, (long)to, (long)size);
}

/* sys_poll waits for one descriptor, for at most so many milliseconds. */
static inline long sys_poll(struct pollfd *p, long milliseconds)
{
	struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000};

	return sys_call(SYS_ppoll, (long)p, 1, (long)&limit, 0, 0);
}

static inline void sys_exit(int status)
{
	for (;;)
		sys_call(SYS_exit_group, status, 0, 0, 0, 0);
}

/* keep_loop has the compiler not take a loop for a memcpy, memset or strlen, and call that. */
#define keep_loop() __asm__ volatile("" ::: "memory")

static inline size_t length(const char *s)
{
	size_t n = 0;

	for (; s[n] != '\0'; n++)
		keep_loop();
	return n;
}

static inline void copy(char *to, const char *from, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		to[i] = from[i];
		keep_loop();
	}
}

static inline int same(const char *a, const char *b)
{
	for (; *a != '\0' && *a == *b; a++, b++)
		keep_loop();
	return *a == *b;
}

/* put_text appends a string at to, and returns its new end. */
static inline char *put_text(char *to, const char *s)
{
	size_t n = length(s);

	copy(to, s, n + 1);
	return to + n;
}

/* put_number appends a number that is not negative, in decimal, and returns the new end. */
static inline char *put_number(char *to, unsigned long n)
{
	char digits[24];
	int i = sizeof(digits);

	digits[--i] = '\0';
	do
		digits[--i] = '0' + n % 10;
	while ((n /= 10) != 0);
	return put_text(to, digits + i);
}

/* path_of_fd writes the path of a process's descriptor, of at most 48 bytes. */
static inline char *path_of_fd(char *to, unsigned long pid, int fd)
{
	to = put_number(put_text(to, "/proc/"), pid);
	return put_number(put_text(to, "/fd/"), fd);
}

/* find_env returns the value of the variable whose name, with a '=', is given, or NULL. */
static inline const char *find_env(char **envp, const char *name)
{
	for (; *envp != NULL; envp++) {
		size_t i = 0;

		for (; name[i] != '\0' && (*envp)[i] == name[i]; i++)
			keep_loop();
		if (name[i] == '\0')
			return *envp + i;
	}
	return NULL;
}

#endif
