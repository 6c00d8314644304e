/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kind of work a command is, as its first word that tells says. */
#ifndef AGENTCG_POLICY_COMMAND_CLASS_H
#define AGENTCG_POLICY_COMMAND_CLASS_H

enum acg_command_class {
	ACG_CLASS_TEST,
	ACG_CLASS_INSTALL,
	ACG_CLASS_BUILD,
	ACG_CLASS_GIT,
	ACG_CLASS_FILES,
	ACG_CLASS_OTHER,
	ACG_N_CLASSES,
};

/* Of the command that the model wrote, without a framework's wrapping. NULL: ACG_CLASS_OTHER. */
enum acg_command_class acg_command_class(const char *command);

const char *acg_command_class_name(enum acg_command_class class);

#endif
