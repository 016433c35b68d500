#!/usr/bin/python3
"""A change that is too large to be held in memory: no process of either node
holds it.  make bench has the same with a million rows and 500 MB."""

from large import Large
from lockstep import BUILD, check, run, scenario

ROWS = 150000
BLOB_BYTES = 60000000
# The changes below, held once, take more than that: their rows, old and new,
# are 55 MiB.
MOST_MIB = 44


def within(large, t, what, change):
    with t.promise("%s need no more than %d MiB" % (what, MOST_MIB)):
        mib, whose = large.peak(change)
        print("# %s: %.1f MiB, %s" % (what, mib, whose))
        if "asan" not in BUILD:
            check(mib <= MOST_MIB, "%s needs %.1f MiB" % (whose, mib))


@scenario
def what_sqlite_holds_whole_lies_in_files(t):
    """Rows without handles to their cells, rows made again in two parts."""
    for kind in "without rowid", "protected":
        large = Large(t, "compare", 0, BLOB_BYTES // 3, kind)
        for what, change in (("a large value", large.insert_blob),
                             ("another large value", large.update_blob)):
            within(large, t, "%s (%s)" % (what, kind), change)
        with t.promise("all of it arrived (%s)" % kind):
            large.check_equal()
        for node in large.cluster.nodes():
            node.stop()


@scenario
def large_changes_are_not_held_in_memory(t):
    for capture in "compare", "triggers":
        large = Large(t, capture, ROWS, BLOB_BYTES)
        changes = [("inserted rows", lambda: None),
                   ("updated rows", large.update_rows),
                   ("a large value", large.insert_blob)]
        if capture == "compare":
            changes += [("rows that drifted", large.drift_rows),
                        ("another large value", large.update_blob),
                        ("deleted rows", large.delete_rows)]
        with t.promise("a preview counts all rows (%s)" % capture):
            found, mib, whose = large.preview(large.insert_rows, 3)
            (app,) = [c for c in found if c["dataset"] == "app"]
            check(app["added"] == ROWS and app["more"] == ROWS - 3 and
                  len(app["rows"]) == 3 and app["whole"], app)
            check("asan" in BUILD or mib <= MOST_MIB,
                  "%s needs %.1f MiB" % (whose, mib))
        for what, change in changes:
            within(large, t, "%s (%s)" % (what, capture), change)
        with t.promise("all of it arrived (%s)" % capture):
            large.check_equal()
        for node in large.cluster.nodes():
            node.stop()


run()
