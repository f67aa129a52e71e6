#define _GNU_SOURCE
#include "relay.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#include "fault.h"
#include "sys.h"

/*
 * A service that hasn't answered by then is stuck. containerd gives a delete 5 s
 * (io.containerd.timeout.shim.cleanup), of which doing it ourselves needs some.
 */
#define START_TIMEOUT_MS 5000
#define OTHER_TIMEOUT_MS 2000

/* A service that is ending closes its files in less, however busy the machine is. */
#define END_TIMEOUT_MS 1000

static const char namespaces[][8] = {"mnt", "net", "pid", "ipc", "uts", "user", "cgroup"};

/* mix adds a number to an FNV-1a hash. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
	for (int i = 0; i < 8; i++, value >>= 8)
		hash = (hash ^ (value & 0xff)) * 0x100000001b3;
	return hash;
}

int tango_relay_name(char *name)
{
	uint64_t hash = 0xcbf29ce484222325;
	char path[32];
	struct stat st;

	if (sys_stat("/proc/self/exe", &st) != 0)
		return -1;
	hash = mix(mix(mix(hash, st.st_dev), st.st_ino), st.st_size);
	hash = mix(mix(hash, st.st_mtim.tv_sec), st.st_mtim.tv_nsec);
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
		put_text(put_text(path, "/proc/self/ns/"), namespaces[i]);
		if (sys_stat(path, &st) != 0)
			return -1;
		hash = mix(hash, st.st_ino);
	}
	for (int shift = 60; shift >= 0; shift -= 4)
		*name++ = "0123456789abcdef"[hash >> shift & 15];
	put_text(name, ".relay");
	return 0;
}

/* message is a request or reply under way. */
struct message {
	char data[RELAY_MAX];
	size_t size;
};

static int append(struct message *m, const char *field)
{
	size_t n = length(field) + 1;

	if (n > sizeof(m->data) - m->size)
		return -1;
	copy(m->data + m->size, field, n);
	m->size += n;
	return 0;
}

/* compose: magic, working directory, number of arguments, arguments, environment. */
static int compose(struct message *m, int argc, char **argv, char **envp)
{
	char cwd[4096], count[24];

	if (sys_getcwd(cwd, sizeof(cwd)) <= 0)
		return -1;
	put_number(count, argc);
	if (append(m, RELAY_MAGIC) || append(m, cwd) || append(m, count))
		return -1;
	for (; *argv != NULL; argv++)
		if (append(m, *argv))
			return -1;
	for (; *envp != NULL; envp++)
		if (append(m, *envp))
			return -1;
	return 0;
}

/* dial connects by way of the directory's descriptor: a path may be too long. */
static int dial(const char *dir, const char *name)
{
	static struct sockaddr_un addr = {.sun_family = AF_UNIX};
	long dirfd = sys_open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), sock;
	char *end = put_text(addr.sun_path, "/proc/self/fd/");

	if (dirfd < 0)
		return -1;
	put_text(put_text(put_number(end, dirfd), "/"), name);
	sock = sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC);
	if (sock >= 0 && sys_connect(sock, &addr, sizeof(addr)) != 0) {
		sys_close(sock);
		sock = -1;
	}
	sys_close(dirfd);
	return sock;
}

static int find_service(char **envp)
{
	const char *dir = find_env(envp, "TANGO_RUN_DIR=");
	char path[4096], name[RELAY_NAME_MAX];

	if (dir == NULL || *dir == '\0')
		dir = "/run/tango";
	if (length(dir) > sizeof(path) - sizeof("/host") || tango_relay_name(name) != 0)
		return -1;
	put_text(put_text(path, dir), "/host");
	return dial(path, name);
}

/*
 * keep_input replaces the standard input by a file of the same content, which the
 * service reads without moving its offset: should the service fail, it is all there
 * for whoever does the work instead.
 */
static int keep_input(void)
{
	char buf[4096];
	long n, fd = sys_memfd_create("stdin", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	while ((n = sys_read(STDIN_FILENO, buf, sizeof(buf))) != 0) {
		if (n == -EINTR)
			continue;
		if (n < 0 || sys_write(fd, buf, n) != n)
			break;
	}
	if (sys_seek_start(fd) != 0 || sys_dup3(fd, STDIN_FILENO, 0) < 0)
		n = -1;
	sys_close(fd);
	return n == 0 ? 0 : -1;
}

/* send_request passes the standard input along. */
static int send_request(int sock, const struct message *m)
{
	static union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = (void *)m->data, .iov_len = m->size};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)(void *)CMSG_DATA(&control.header) = STDIN_FILENO;
	return sys_sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)m->size ? 0 : -1;
}

/* await returns 1 when there is something to read, or an end, 0 when that takes longer. */
static int await(int fd, long timeout)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	long n;

	do
		n = sys_poll(&p, timeout);
	while (n == -EINTR);
	return n != 0;
}

/*
 * service_of returns the pid of the process at a connection's other end, which may have ended,
 * or 0 where that can't be told: init's says that init made the socket for the service
 * (systemd).
 */
static pid_t service_of(int sock)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return sys_peer(sock, &peer, &size) == 0 && peer.pid > 1 ? peer.pid : 0;
}

/*
 * await_end waits until a service that broke off its connection has ended, which one that
 * refuses what it is sent does not: that is given up soon. The kernel
 * closes the files of a process that was killed one by one: until the last is closed, a
 * shim's socket may seem to be served, by a service that won't pass it on any more.
 */
static void await_end(int sock)
{
	pid_t service = service_of(sock);
	long pidfd = service == 0 ? -1 : sys_pidfd_open(service);

	if (pidfd < 0)
		return;
	(void)await(pidfd, END_TIMEOUT_MS);
	sys_close(pidfd);
}

/*
 * end_service kills a service that is stuck. What it has begun would come into the
 * way of whoever does it now, and nothing that it holds can't be made again. As
 * long as the connection stands its pid is nobody else's.
 */
static void end_service(int sock)
{
	pid_t service = service_of(sock);

	if (service != 0)
		sys_kill(service, SIGKILL);
}

static void put(int fd, const char *data, size_t size)
{
	while (size > 0) {
		long n = sys_write(fd, data, size);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return;
		data += n;
		size -= n;
	}
}

/* deliver hands the service's answer on as this process's own, and ends it. */
static void deliver(const struct message *m)
{
	uint32_t out;

	if (m->size < 1 + sizeof(out) || (unsigned char)m->data[0] == RELAY_DECLINED)
		return;
	copy((char *)&out, m->data + 1, sizeof(out));
	if (out > m->size - 1 - sizeof(out))
		return;
	put(STDOUT_FILENO, m->data + 1 + sizeof(out), out);
	put(STDERR_FILENO, m->data + 1 + sizeof(out) + out, m->size - 1 - sizeof(out) - out);
	sys_exit((unsigned char)m->data[0]);
}

static int is_start(int argc, char **argv) { return argc > 1 && same(argv[argc - 1], "start"); }

/* concerns_service: start, delete and -info; all else is somebody's own business. */
static int concerns_service(int argc, char **argv)
{
	if (is_start(argc, argv) || (argc > 1 && same(argv[argc - 1], "delete")))
		return 1;
	for (int i = 1; i < argc; i++)
		if (same(argv[i], "-info"))
			return 1;
	return 0;
}

/*
 * Package os raises the soft limit when Go starts, and package syscall hands the old
 * one down to children; neither tells what it was.
 */
static struct rlimit inherited_files;

unsigned long long tango_inherited_files(void) { return inherited_files.rlim_cur; }

/* ask returns where the service does not do it. */
static void ask(int sock, struct message *m, int starting, char **envp)
{
	long n = -1;

	if (send_request(sock, m) == 0) {
		if (starting)
			tango_fault(envp, "relay.asked");
		if (await(sock, starting ? START_TIMEOUT_MS : OTHER_TIMEOUT_MS))
			n = sys_read(sock, m->data, sizeof(m->data)); /* one packet */
		else
			end_service(sock);
	}
	if (n <= 0) {
		await_end(sock);
		return;
	}
	m->size = n;
	if (starting)
		tango_fault(envp, "relay.answered");
	deliver(m);
}

void tango_relay(int argc, char **argv, char **envp)
{
	static struct message m;
	int sock, starting = is_start(argc, argv);

	(void)sys_getrlimit(RLIMIT_NOFILE, &inherited_files); /* fails for a wrong pointer only */
	if (!concerns_service(argc, argv) || compose(&m, argc, argv, envp) != 0)
		return;
	/* Faults are for starts: after a delete that is killed containerd asks nobody else. */
	if (starting)
		tango_fault(envp, "relay.ask");
	sock = find_service(envp);
	if (sock < 0)
		return;
	if (keep_input() == 0)
		ask(sock, &m, starting, envp);
	sys_close(sock);
}
