/* SPDX-License-Identifier: Apache-2.0 */
/* The commands: one function, one file each. Return the exit status. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

struct cli;

#define COMMAND(symbol, label, arguments, summary, details) \
    int cli_##symbol(struct cli *cli, int argc, char **argv);
#include "commands.def"
#undef COMMAND

#endif
