/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The marker grammar of agentcg, for programs that mark their own tool calls: what may be written to `call`, and a function that
 * does it. Nothing to link with. agentcg(7) is the reference.
 *
 *	begin ID|- [memory=low|medium|high|SIZE] [cpu=latency|normal|batch] [pids=N] [timeout=SECONDS]
 *	           [hint=memory:SIZE,cpu:CLASS,...] [pid=PID|none] [keep=yes] [-- COMMAND]
 *	end ID|- [exit=N]
 *	hint ID|- KEY=VALUE ...
 *
 * `-` is a fresh ID in begin; in the others the call that the writer is in, else the one begun last on the same open file.
 */
#ifndef AGENTCG_H
#define AGENTCG_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define AGENTCG_PATH         "/sys/fs/agentcg/self/call" /* or $AGENTCG_FS/self/call, /run/agentcg/fs/self/call */
#define AGENTCG_ID_MAX       64          /* A-Z a-z 0-9 . _ : -, not starting with a dot */
#define AGENTCG_COMMAND_MAX  2048        /* bytes of COMMAND that are kept */
#define AGENTCG_MARKER_MAX   (64 * 1024) /* bytes of one write, which may have several lines */
#define AGENTCG_ANSWER_MAX   256

/*
 * Writes one marker (a line; its newline may be missing) to an open `call` file, which must be open for reading and writing. 0, or
 * -errno: EINVAL malformed, EBUSY in a call already, EEXIST a running ID, EAGAIN the agent is full, EPERM not without pid=. answer is
 * the ID, or why it was refused, without a newline. Whatever it returns, the work should go on.
 */
static inline int agentcg_mark(int fd, const char *marker, char answer[AGENTCG_ANSWER_MAX])
{
	int ret = write(fd, marker, strlen(marker)) < 0 ? -errno : 0;
	ssize_t n = read(fd, answer, AGENTCG_ANSWER_MAX - 1);

	answer[n > 0 ? n : 0] = '\0';
	answer[strcspn(answer, "\n")] = '\0';
	return ret;
}

#endif
