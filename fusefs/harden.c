/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker is root and reads what sandboxes write: whoever should take it over is to find little that he can do with it.
 *
 * Capabilities: DAC_OVERRIDE for cgroup files and histories that belong to others, KILL and SYS_PTRACE for signals to processes of
 * any user and a look at their namespaces, SYS_RESOURCE for oom_score_adj and PSI triggers, SYS_ADMIN for trusted.*
 * attributes, FUSE passthrough, BPF and cgroup2's option favordynmods, SYS_NICE for sched_ext, BPF and PERFMON for programs.
 *
 * The filter names what is refused, with EPERM, and not what is allowed: which system calls glib, libfuse, libbpf and libc make
 * changes with their versions, and a worker that is killed for a harmless one takes every sandbox's view with it. Refused is what
 * leads out: starting programs, other namespaces and mounts, other processes' memory, modules, the clock, the network.
 */
#include "fusefs/harden.h"

#include <linux/netlink.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static int drop_capabilities(GError **error)
{
	static const cap_value_t kept[] = {CAP_DAC_OVERRIDE, CAP_KILL,	   CAP_SYS_PTRACE, CAP_SYS_RESOURCE,
					   CAP_SYS_ADMIN,    CAP_SYS_NICE, CAP_BPF,	   CAP_PERFMON};
	cap_t have = cap_get_proc(), want = cap_init();
	int ret = 0;

	for (unsigned int i = 0; have && want && i < G_N_ELEMENTS(kept); i++) {
		cap_flag_value_t held = CAP_CLEAR;

		if (cap_get_flag(have, kept[i], CAP_PERMITTED, &held) < 0 || held == CAP_CLEAR)
			continue;
		cap_set_flag(want, CAP_PERMITTED, 1, &kept[i], CAP_SET);
		cap_set_flag(want, CAP_EFFECTIVE, 1, &kept[i], CAP_SET);
	}
	if (!have || !want || cap_set_proc(want) < 0)
		ret = acg_fail_errno(error, errno, "cannot drop capabilities");
	cap_free(have);
	cap_free(want);
	return ret;
}

static const char *const refused[] = {
	"execve", "execveat", "mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "move_mount",
	"fsopen", "fsmount", "open_tree", "mount_setattr", "process_vm_writev", "process_vm_readv", "init_module",
	"finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff",
	"settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "acct", "quotactl", "add_key", "request_key",
	"keyctl", "userfaultfd", "io_uring_setup", "open_by_handle_at", "setuid", "setgid", "setresuid", "setresgid",
	"sethostname", "setdomainname", "iopl", "ioperm", "mknod", "mknodat", "personality",
#ifndef __SANITIZE_ADDRESS__
	"ptrace", /* the leak sanitizer's own way */
#endif
};

static int add_rules(scmp_filter_ctx filter)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < G_N_ELEMENTS(refused); i++) {
		int number = seccomp_syscall_resolve_name(refused[i]);

		if (number != __NR_SCMP_ERROR) /* else newer than this libseccomp */
			ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
	}
	return ret;
}

/* AF_UNIX is the journal's and systemd's, a netlink of uevents tells when another scheduler is gone. */
static int add_socket_rules(scmp_filter_ctx filter)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
	int ret = seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 1,
				   SCMP_A0(SCMP_CMP_GT, AF_NETLINK, 0));

	for (int family = 0; !ret && family < AF_NETLINK; family++)
		if (family != AF_UNIX)
			ret = seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 1,
					       SCMP_A0(SCMP_CMP_EQ, family, 0));
	if (!ret)
		ret = seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 2,
				       SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
				       SCMP_A2(SCMP_CMP_NE, NETLINK_KOBJECT_UEVENT, 0));
	return ret;
}

static int filter_calls(GError **error)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int ret = filter ? add_rules(filter) : -ENOMEM;

	if (!ret)
		ret = add_socket_rules(filter);
	if (!ret)
		ret = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	if (ret == -EINVAL)
		return 0; /* a kernel without seccomp filters */
	return ret ? acg_fail_errno(error, -ret, "cannot set the seccomp filter") : 0;
}

int acg_harden(GError **error)
{
	int ret;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return acg_fail_errno(error, errno, "cannot set no_new_privs");
	ret = drop_capabilities(error);
	return ret ? ret : filter_calls(error);
}
