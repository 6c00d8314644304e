/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to the kernel; see the header. */
#include "fusefs/wire.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Part of the kernel's interface since 6.9, and not in every distribution's headers. */
#define NOTIFY_RESEND     7
#define UNIQUE_RESEND     (1ull << 63)
#define FLAG2_PASSTHROUGH (1u << (37 - 32))

struct acg_wire acg_wire_parse(const void *request, size_t size)
{
	const struct fuse_in_header *in = request;
	struct acg_wire wire = {0};

	if (size < sizeof(*in))
		return wire;
	wire.id = in->unique;
	wire.unique = in->unique & ~UNIQUE_RESEND;
	wire.resent = in->unique & UNIQUE_RESEND;
	wire.init = in->opcode == FUSE_INIT;
	wire.silent = in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET ||
		      in->opcode == FUSE_INTERRUPT;
	wire.read = in->opcode == FUSE_READ ? in->nodeid : 0;
	wire.write = in->opcode == FUSE_WRITE ? in->nodeid : 0;
	wire.dir = in->opcode == FUSE_MKDIR || in->opcode == FUSE_RMDIR ? in->nodeid : 0;
	wire.tid = in->pid;
	wire.uid = in->uid;
	wire.gid = in->gid;
	if (in->opcode == FUSE_POLL && size >= sizeof(*in) + sizeof(struct fuse_poll_in)) {
		const struct fuse_poll_in *poll = (const void *)(in + 1);

		wire.poll = poll->flags & FUSE_POLL_SCHEDULE_NOTIFY ? poll->kh : 0;
	}
	return wire;
}

static int send_message(int fd, uint64_t unique, int error, const void *body, size_t size)
{
	struct fuse_out_header out = {.len = sizeof(out) + size, .error = error, .unique = unique};
	struct iovec iov[] = {{&out, sizeof(out)}, {(void *)body, size}};

	return writev(fd, iov, size ? 2 : 1) < 0 ? -errno : 0;
}

int acg_wire_resend(int fd)
{
	return send_message(fd, 0, NOTIFY_RESEND, NULL, 0);
}

void acg_wire_wake(int fd, uint64_t poll)
{
	struct fuse_notify_poll_wakeup_out wakeup = {.kh = poll};

	send_message(fd, 0, FUSE_NOTIFY_POLL, &wakeup, sizeof(wakeup));
}

void acg_wire_fail(int fd, uint64_t id, int error)
{
	send_message(fd, id, -error, NULL, 0);
}

void acg_wire_answer_again(int fd, uint64_t id, const void *answer, size_t size)
{
	size_t header = sizeof(struct fuse_out_header);

	send_message(fd, id, 0, (const char *)answer + header, size - header);
}

bool acg_wire_passthrough(const void *answer, size_t size)
{
	struct fuse_init_out init;

	if (size < sizeof(struct fuse_out_header) + sizeof(init))
		return false;
	memcpy(&init, (const char *)answer + sizeof(struct fuse_out_header), sizeof(init));
	return init.flags2 & FLAG2_PASSTHROUGH;
}
