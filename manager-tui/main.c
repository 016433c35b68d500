/*
 * lockstep: the command line and the manager of Lockstep.
 */
#include "manager-tui/cli.h"

int
main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
