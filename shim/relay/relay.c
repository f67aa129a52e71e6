#define _GNU_SOURCE
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * A service that hasn't answered by then is stuck. containerd gives a delete 5 s
 * (io.containerd.timeout.shim.cleanup), of which doing it ourselves needs some.
 */
#define START_TIMEOUT_MS 5000
#define OTHER_TIMEOUT_MS 2000

static const char *const namespaces[] = {"mnt", "net", "pid", "ipc", "uts", "user", "cgroup", NULL};

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

	if (stat("/proc/self/exe", &st) != 0)
		return -1;
	hash = mix(mix(mix(hash, st.st_dev), st.st_ino), st.st_size);
	hash = mix(mix(hash, st.st_mtim.tv_sec), st.st_mtim.tv_nsec);
	for (int i = 0; namespaces[i] != NULL; i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
		if (stat(path, &st) != 0)
			return -1;
		hash = mix(hash, st.st_ino);
	}
	snprintf(name, RELAY_NAME_MAX, "%016llx.relay", (unsigned long long)hash);
	return 0;
}

/* message is a request or reply under way. */
struct message {
	char data[RELAY_MAX];
	size_t size;
};

static int append(struct message *m, const char *field)
{
	size_t n = strlen(field) + 1;

	if (n > sizeof(m->data) - m->size)
		return -1;
	memcpy(m->data + m->size, field, n);
	m->size += n;
	return 0;
}

/* compose: magic, working directory, number of arguments, arguments, environment. */
static int compose(struct message *m, int argc, char **argv, char **envp)
{
	char cwd[4096], count[16];

	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return -1;
	snprintf(count, sizeof(count), "%d", argc);
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
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int sock;

	if (dirfd < 0)
		return -1;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock >= 0 && connect(sock, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		close(sock);
		sock = -1;
	}
	close(dirfd);
	return sock;
}

static int find_service(void)
{
	const char *dir = getenv("TANGO_RUN_DIR");
	char path[4096], name[RELAY_NAME_MAX];

	if (dir == NULL || *dir == '\0')
		dir = "/run/tango";
	if (snprintf(path, sizeof(path), "%s/host", dir) >= (int)sizeof(path) || tango_relay_name(name) != 0)
		return -1;
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
	ssize_t n;
	int fd = memfd_create("stdin", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || write(fd, buf, n) != n)
			break;
	}
	if (lseek(fd, 0, SEEK_SET) != 0 || dup2(fd, STDIN_FILENO) < 0)
		n = -1;
	close(fd);
	return n == 0 ? 0 : -1;
}

/* send_request passes the standard input along. */
static int send_request(int sock, const struct message *m)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = (void *)m->data, .iov_len = m->size};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	int in = STDIN_FILENO;

	memset(&control, 0, sizeof(control));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &in, sizeof(in));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)m->size ? 0 : -1;
}

/*
 * await returns 1 when there is an answer, 0 when the service has gone, and -1
 * when it does neither in time.
 */
static int await(int sock, int timeout)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, timeout);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -1;
	return n > 0 && (p.revents & POLLIN);
}

/*
 * end_service kills a service that is stuck. What it has begun would come into the
 * way of whoever does it now, and nothing that it holds can't be made again. As
 * long as the connection stands its pid is nobody else's.
 */
static void end_service(int sock)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 1)
		kill(peer.pid, SIGKILL);
}

static void put(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
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
	memcpy(&out, m->data + 1, sizeof(out));
	if (out > m->size - 1 - sizeof(out))
		return;
	put(STDOUT_FILENO, m->data + 1 + sizeof(out), out);
	put(STDERR_FILENO, m->data + 1 + sizeof(out) + out, m->size - 1 - sizeof(out) - out);
	_exit((unsigned char)m->data[0]);
}

static int is_start(int argc, char **argv) { return argc > 1 && strcmp(argv[argc - 1], "start") == 0; }

/* concerns_service: start, delete and -info; all else is somebody's own business. */
static int concerns_service(int argc, char **argv)
{
	if (is_start(argc, argv) || (argc > 1 && strcmp(argv[argc - 1], "delete") == 0))
		return 1;
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "-info") == 0)
			return 1;
	return 0;
}

/*
 * Package os raises the soft limit when Go starts, and package syscall hands the old
 * one down to children; neither tells what it was.
 */
static struct rlimit inherited_files;

unsigned long long tango_inherited_files(void) { return inherited_files.rlim_cur; }

/*
 * name_process gives this process, and so all threads that Go will start, the name
 * that people look for in ps and top. One that is executed by descriptor is called
 * by a number.
 */
static void name_process(const char *path)
{
	const char *slash = strrchr(path, '/');

	(void)prctl(PR_SET_NAME, slash != NULL ? slash + 1 : path); /* the first 15 bytes */
}

/*
 * What containerd executes for every container needs the service, if one runs, and
 * nothing of this binary: so the service is asked before the Go runtime and some
 * sixty packages start up, which would take most of the time. Returning means
 * going on as if there were no service.
 */
__attribute__((constructor)) static void relay(int argc, char **argv, char **envp)
{
	static struct message m;
	int sock, answered;

	(void)getrlimit(RLIMIT_NOFILE, &inherited_files); /* fails for a wrong pointer only */
	if (argc > 0)
		name_process(argv[0]);
	if (!concerns_service(argc, argv) || compose(&m, argc, argv, envp) != 0)
		return;
	sock = find_service();
	if (sock < 0)
		return;
	if (keep_input() == 0 && send_request(sock, &m) == 0) {
		answered = await(sock, is_start(argc, argv) ? START_TIMEOUT_MS : OTHER_TIMEOUT_MS);
		if (answered == 1) {
			ssize_t n = recv(sock, m.data, sizeof(m.data), 0);

			m.size = n < 0 ? 0 : n;
			deliver(&m);
		} else if (answered < 0) {
			end_service(sock);
		}
	}
	close(sock);
}
