/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file system as one object, shared by the files of its operations: ops_node.c (look-ups, attributes), ops_dir.c (directories),
 * ops_file.c (open, read, write, release), kernel_file.c, stream.c (events_pipe and poll).
 *
 * Everything here runs on the main thread, but for what kernel_file.c gives to its pool: plain reads and writes of a kernel file with
 * a descriptor of their own, which answer the request themselves.
 */
#ifndef AGENTCG_FUSEFS_FS_H
#define AGENTCG_FUSEFS_FS_H

#include <fuse_lowlevel.h>

#include "fusefs/inode.h"
#include "fusefs/kept.h"
#include "fusefs/opens.h"
#include "fusefs/shared.h"
#include "fusefs/wire.h"
#include "policy/manager.h"

/* What becomes of libfuse's answer to FUSE_INIT (session.c). */
enum acg_init {
	ACG_INIT_NONE,  /* no such answer is being made */
	ACG_INIT_FIRST, /* it is kept and sent */
	ACG_INIT_AGAIN, /* it is dropped: the kernel had one from an earlier worker */
};

struct acg_fs {
	struct acg_manager *manager; /* borrowed */
	struct acg_pidfd *by_pidfd;  /* NULL: callers are looked up in /proc */
	char *root_path; /* of agentcg's cgroup root within the cgroup2 mount: "/agentcg" */
	int fuse_fd;                  /* borrowed; for what libfuse has no function for */
	struct acg_shared *shared;    /* borrowed */
	struct acg_wire request;      /* the one that is being handled */
	bool resumed;                 /* an earlier worker began it (journal.h) */
	enum acg_init init;
	struct acg_opens *opens;
	struct acg_kept *texts; /* fh -> GString: rendered at the first read of an open */
	GHashTable *
		listings; /* fh -> GPtrArray of names: a directory as it was when its reading began */
	GQueue parked;        /* struct acg_parked: reads that wait for events */
	GHashTable *backings; /* ino -> struct acg_backing: kernel files that are passed through */
	unsigned int watched; /* opens of kernel files with poll: whom changes concern */
	unsigned int polled;  /* opens that somebody may sleep on in poll(2) */
	GThreadPool *slow;    /* kernel files that may take long */
	bool passthrough;     /* the kernel agreed to it */
	char *adopt_error;    /* why the last cgroup was not adopted; NULL: it was */
	const char *policy_path; /* borrowed: a policy written into the tree is kept there for the next worker; NULL: it is not */
	int64_t started;      /* CLOCK_REALTIME usec: times of the root's files */
};

extern const struct fuse_lowlevel_ops acg_fs_ops;

/*
 * What an agent (with all below it), or a user outside every agent who is not root, may have open at once, and what of text may be
 * kept for it: more than any shell needs, less than would hurt others. Past the first open(2) fails, past the second a reader
 * who went away in the middle of a file finds it as it is by then.
 */
#define ACG_OPENS_PER_AGENT 1024
#define ACG_TEXT_PER_AGENT  (8 * 1024 * 1024)

/* `shared` and the memfd that it is mapped from are borrowed. */
struct acg_fs *acg_fs_new(const char *root_path, struct acg_shared *shared, int state_fd,
			  GError **error);
void acg_fs_free(struct acg_fs *fs);

/* Takes up the opens of earlier workers: watches what they watch, wakes who sleeps in poll(2) once. */
void acg_fs_reopen(struct acg_fs *fs);

/* For struct acg_manager_options: wakes readers and poll(2). */
struct acg_listener acg_fs_listener(struct acg_fs *fs);

/* --- between the files of the operations ------------------------------------------------------------------- */

struct acg_fs *acg_fs_of(fuse_req_t req);

/* The place of a node id; ESTALE replies have been sent when it returns false. */
bool acg_fs_place(fuse_req_t req, fuse_ino_t ino, struct acg_place *ret_place);

/* Who asks, and may he? On refusal counts it and returns -errno. *ret_caller is filled whenever 0 is returned. */
int acg_fs_allow(fuse_req_t req, const struct acg_place *place, enum acg_right right,
		 struct acg_caller *ret_caller);
int acg_fs_caller(fuse_req_t req, struct acg_caller *ret_caller, GError **error);
/* The same for a caller that is known already. */
int acg_fs_allow_caller(struct acg_fs *fs, const struct acg_place *place, enum acg_right right,
			const struct acg_caller *caller);

/* What a caller must have the right to in order to read or write what the place names. */
enum acg_right acg_fs_read_right(const struct acg_place *place);
enum acg_right acg_fs_write_right(const struct acg_place *place);

/* Who is charged for what a caller has open: the agent at the top (its cgroup id), else the user; 0: root outside, unbounded. */
uint64_t acg_fs_owner(const struct acg_caller *caller);

/* A record for an open by this caller. EAGAIN: it has ACG_OPENS_PER_AGENT. */
int acg_fs_open_record(struct acg_fs *fs, uint64_t ino, const struct acg_caller *caller, int flags,
		       uint64_t *ret_fh, struct acg_open **ret_open);

/* Counts a refusal (once it is clear whose directory it was) and returns -errno for the reply. */
int acg_fs_refuse(struct acg_fs *fs, const struct acg_place *place, bool marker, const GError *why);

/* Replies to a read with that part of a text. */
void acg_fs_reply_slice(fuse_req_t req, const GString *text, size_t size, off_t offset);

/* Attributes of what a node id names. */
struct stat acg_fs_attr(const struct acg_fs *fs, uint64_t ino, const struct acg_place *place);
void acg_fs_reply_entry(fuse_req_t req, uint64_t ino, const struct acg_place *place);

/* Seconds that the kernel may keep a name or attributes: for ever where a name means the same as long as it is there. */
#define ACG_KEEP_LONG 3600.0

/* kernel_file.c */
/* Replies to the open, by passthrough where that goes. */
void acg_kernel_open(fuse_req_t req, const struct acg_place *place, struct fuse_file_info *fi);
void acg_kernel_release(fuse_req_t req, const struct acg_open *open);
/* An open of an earlier worker's is passed through: so is its file. */
void acg_kernel_reopen(struct acg_fs *fs, const struct acg_open *open);
void acg_kernel_read(fuse_req_t req, const struct acg_place *place, uint64_t fh,
		     struct acg_open *open, size_t size, off_t offset);
void acg_kernel_write(fuse_req_t req, const struct acg_place *place,
		      const struct acg_caller *caller, const char *text, size_t len);
void acg_kernel_slow_job(void *job, void *fs);

/* stream.c */
void acg_stream_read(fuse_req_t req, const struct acg_place *place, uint64_t fh,
		     struct acg_open *open, size_t size, unsigned int flags);
void acg_stream_release(struct acg_fs *fs, struct acg_open *open);
/* Before the session goes: all requests that wait are answered (parked reads with ENODEV). */
void acg_stream_abort(struct acg_fs *fs);

/* markers.c */
/* The call with this cgroup id has somebody who holds `call` open and will end it, or has no longer. */
void acg_fs_await(struct acg_fs *fs, uint64_t call_id, bool awaited);

/* ops_*.c */
void acg_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void acg_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void acg_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		    struct fuse_file_info *fi);
void acg_op_access(fuse_req_t req, fuse_ino_t ino, int mask);
void acg_op_readlink(fuse_req_t req, fuse_ino_t ino);
void acg_op_statfs(fuse_req_t req, fuse_ino_t ino);
void acg_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void acg_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi);
void acg_op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void acg_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void acg_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void acg_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void acg_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		 struct fuse_file_info *fi);
void acg_op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t offset,
		  struct fuse_file_info *fi);
void acg_op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
		 struct fuse_pollhandle *ph);
void acg_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

#endif
