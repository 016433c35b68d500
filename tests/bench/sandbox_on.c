/*
 * Sessions with the sandbox that is shipped.
 */
#include "tests/bench/session_starts.h"

int
main(int argc, char **argv)
{
    return starts_main(argc, argv);
}
