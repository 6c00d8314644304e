/* SPDX-License-Identifier: GPL-2.0-or-later */
/* systemd's datagrams and kept descriptors; see the header. */
#include "fusefs/notify.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_KEPT 3 /* SD_LISTEN_FDS_START */

int acg_notify_open(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (!len || len >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	unsetenv("NOTIFY_SOCKET");
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address,
		    offsetof(struct sockaddr_un, sun_path) + len) == 0)
		return fd;
	close(fd);
	return -1;
}

void acg_notify(int notify_fd, const char *state, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {(char *)state, strlen(state)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *header;

	if (notify_fd < 0)
		return;
	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}
	sendmsg(notify_fd, &message, MSG_NOSIGNAL);
}

/* Where in "NAME:NAME:..." the name is; -1: nowhere. */
static int index_of(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; names; i++) {
		if (strncmp(names, name, len) == 0 && (!names[len] || names[len] == ':'))
			return i;
		names = strchr(names, ':');
		names = names ? names + 1 : NULL;
	}
	return -1;
}

int acg_notify_kept(const char *name)
{
	const char *pid = getenv("LISTEN_PID");
	const char *n = getenv("LISTEN_FDS");
	int i = index_of(getenv("LISTEN_FDNAMES"), name);
	int fd;

	if (!pid || atoi(pid) != getpid() || !n || i < 0 || i >= atoi(n))
		return -1;
	fd = fcntl(FIRST_KEPT + i, F_DUPFD_CLOEXEC, 10);
	close(FIRST_KEPT + i);
	return fd;
}

void acg_notify_forget(void)
{
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}
