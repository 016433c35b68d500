/*
 * The same without the sandbox: this program has functions of its own in its
 * place, since lockstepd has no switch for that.  No other program links them.
 */
#include "daemon/sandbox.h"
#include "tests/bench/session_starts.h"

void
sandbox_close_files(const struct sandbox *s)
{
    (void)s;
}

int
sandbox_enter(const struct sandbox *s, struct err *e)
{
    (void)s;
    (void)e;
    return 0;
}

int
main(int argc, char **argv)
{
    return starts_main(argc, argv);
}
