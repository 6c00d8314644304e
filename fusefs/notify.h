/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two things that the supervisor has to do with systemd: sd_notify(3) datagrams, and descriptors that it keeps for us. */
#ifndef AGENTCG_FUSEFS_NOTIFY_H
#define AGENTCG_FUSEFS_NOTIFY_H

/* Connects to $NOTIFY_SOCKET and takes it out of the environment. -1: nobody wants to be told. */
int acg_notify_open(void);

/* Sends "READY=1" or the like, with a descriptor if fd >= 0. Nothing happens where notify_fd is -1. */
void acg_notify(int notify_fd, const char *state, int fd);

/*
 * The descriptor that systemd kept under this name (FDNAME), or -1. Takes it out of its place to a number from 10 on,
 * close-on-exec.
 */
int acg_notify_kept(const char *name);

/* Takes $LISTEN_FDS and the like out of the environment: after the last acg_notify_kept(). */
void acg_notify_forget(void);

#endif
