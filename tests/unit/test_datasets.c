/* Datasets change hands without losing rows, and are never made anew by
 * themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/json.h"
#include "daemon/datasets.h"
#include "daemon/node_role.h"
#include "sync/open.h"
#include "tests/unit/engine_fixture.h"

static struct err e;

static void
take_result(struct dataset *ds, void *arg, const struct err *error)
{
    (void)ds;
    *(bool *)arg = true;
    assert_int_equal(error->code, ERR_NONE);
}

static int
publish(struct dataset *ds, void *arg, struct err *error)
{
    struct publish_result result;

    (void)arg;
    return source_publish(ds->source, &result, error);
}

static void
run(struct engine *engine, const char *name,
    int (*work)(struct dataset *ds, void *arg, struct err *e))
{
    bool done = false;

    dataset_run(datasets_find(engine->datasets, name),
        &(struct dataset_job){ .work = work,
            .done = take_result,
            .arg = &done });
    fixture_wait(engine, &done);
}

static void
execute(const char *folder, const char *sql)
{
    char *path = file_join(folder, "config.db");
    sqlite3 *db = NULL;

    assert_int_equal(database_open(&db, path, OPEN_WRITE, 2000, &e), 0);
    if (database_exec(db, sql, &e) != 0)
        fail_msg("%s", e.message);
    database_close(db);
    free(path);
}

static int
count(const char *folder, const char *sql)
{
    char *path = file_join(folder, "config.db");
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = NULL;
    int n;

    assert_int_equal(database_open(&db, path, OPEN_READ, 2000, &e), 0);
    assert_int_equal(database_prepare(db, sql, &stmt, &e), 0);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    database_close(db);
    free(path);
    return n;
}

#define ADD_ANN                                                      \
    "INSERT INTO users (name, uid, gid, home) VALUES ('ann', 5, 5, " \
    "'/srv/ann')"
#define COUNT_USERS "SELECT count(*) FROM users"
static const struct dataset_view *
view(struct engine *engine)
{
    return &datasets_find(engine->datasets, "config")->view;
}

static void
a_job_leaves_the_view_up_to_date(void **state)
{
    char *folder = fixture_folder();
    struct engine engine;

    (void)state;
    fixture_start(&engine, folder);
    assert_int_equal(view(&engine)->state.revision, 1);
    assert_int_equal(view(&engine)->state.rows, 0);
    execute(folder, ADD_ANN);
    run(&engine, "config", publish);
    assert_int_equal(view(&engine)->state.revision, 2);
    assert_int_equal(view(&engine)->state.rows, 1);
    assert_false(view(&engine)->unpublished);
    assert_true(view(&engine)->bytes > 0);
    fixture_stop(&engine);
    fixture_remove(folder);
}

static void
expect_role(struct dataset *ds, void *arg, const struct err *error)
{
    (void)ds;
    *(bool *)arg = true;
    assert_int_equal(error->code, ERR_ROLE);
}

static void
a_job_for_the_other_role_does_not_run(void **state)
{
    char *folder = fixture_folder();
    struct engine engine;
    bool done = false;

    (void)state;
    fixture_start(&engine, folder);
    dataset_run_on(datasets_find(engine.datasets, "config"), DATASET_REPLICA,
        &(struct dataset_job){ .work = publish,
            .done = expect_role,
            .arg = &done });
    fixture_wait(&engine, &done);
    fixture_stop(&engine);
    fixture_remove(folder);
}

static void
a_live_database_that_vanished_is_held_not_made_anew(void **state)
{
    char *folder = fixture_folder();
    char *path = file_join(folder, "config.db");
    struct engine engine;

    (void)state;
    fixture_start(&engine, folder);
    execute(folder, ADD_ANN);
    run(&engine, "config", publish);
    fixture_stop(&engine);
    assert_int_equal(unlink(path), 0);
    fixture_start(&engine, folder);
    assert_true(view(&engine)->held[0] != '\0');
    assert_false(file_exists(path));
    assert_int_equal(view(&engine)->state.revision, 2);
    fixture_stop(&engine);
    free(path);
    fixture_remove(folder);
}

static void
role_is_there(void *ctx, const struct err *error)
{
    assert_int_equal(error->code, ERR_NONE);
    *(bool *)ctx = true;
}

static void
enroll(struct engine *engine)
{
    struct enrollment en = { .cluster_name = "c",
        .epoch = 1,
        .primary_name = "p",
        .primary_address = "192.0.2.1",
        .login_blob = (const uint8_t *)"x",
        .login_blob_len = 1,
        .fingerprint = "f" };
    bool done = false;

    memset(en.cluster, 1, ID_SIZE);
    memset(en.primary_id, 2, ID_SIZE);
    assert_int_equal(node_enroll(engine, &en, role_is_there, &done, &e), 0);
    fixture_wait(engine, &done);
}

static void
leave(struct engine *engine)
{
    bool done = false;

    assert_int_equal(node_leave(engine, role_is_there, &done, &e), 0);
    fixture_wait(engine, &done);
}

static void
rows_stay_through_enrolment_and_detachment(void **state)
{
    char *folder = fixture_folder();
    struct engine engine;

    (void)state;
    fixture_start(&engine, folder);
    execute(folder, ADD_ANN);
    run(&engine, "config", publish);
    enroll(&engine);
    assert_int_equal(count(folder, COUNT_USERS), 1);
    assert_true(view(&engine)->replica.needs_overwrite);
    leave(&engine);
    assert_int_equal(count(folder, COUNT_USERS), 1);
    assert_string_equal(view(&engine)->held, "");
    assert_int_equal(view(&engine)->state.rows, 1);
    assert_int_equal(view(&engine)->state.epoch, 0);
    execute(folder, "UPDATE users SET uid = 6");
    run(&engine, "config", publish);
    fixture_stop(&engine);
    fixture_remove(folder);
}

static void
a_change_of_role_that_was_cut_short_is_finished(void **state)
{
    char *folder = fixture_folder();
    struct engine engine;

    (void)state;
    fixture_start(&engine, folder);
    execute(folder, ADD_ANN);
    run(&engine, "config", publish);
    /* The store says secondary, the datasets do not know yet. */
    engine.node.role = NODE_SECONDARY;
    engine.node.epoch = 1;
    assert_int_equal(node_save(&engine.node, &e), 0);
    fixture_stop(&engine);
    fixture_start(&engine, folder);
    assert_non_null(datasets_find(engine.datasets, "config")->replica);
    /* And back: standalone again, with a replica's traces in the file. */
    engine.node.role = NODE_STANDALONE;
    engine.node.epoch = 0;
    assert_int_equal(node_save(&engine.node, &e), 0);
    fixture_stop(&engine);
    fixture_start(&engine, folder);
    assert_non_null(datasets_find(engine.datasets, "config")->source);
    assert_string_equal(view(&engine)->held, "");
    assert_int_equal(count(folder, COUNT_USERS), 1);
    fixture_stop(&engine);
    fixture_remove(folder);
}

static void
json_shows_what_the_command_line_promises(void **state)
{
    static const char *const members[] = { "name", "epoch", "revision",
        "digest", "rows", "bytes", "last_change", "unpublished", "held" };
    char *folder = fixture_folder();
    struct engine engine;
    json_t *json;
    size_t i;

    (void)state;
    fixture_start(&engine, folder);
    json = dataset_json(datasets_find(engine.datasets, "config"));
    for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        assert_non_null(json_object_get(json, members[i]));
    assert_true(json_is_null(json_object_get(json, "held")));
    assert_int_equal(strlen(json_string_value(json_object_get(json, "digest"))),
        64);
    json_decref(json);
    fixture_stop(&engine);
    fixture_remove(folder);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_leaves_the_view_up_to_date),
        cmocka_unit_test(a_job_for_the_other_role_does_not_run),
        cmocka_unit_test(a_live_database_that_vanished_is_held_not_made_anew),
        cmocka_unit_test(rows_stay_through_enrolment_and_detachment),
        cmocka_unit_test(a_change_of_role_that_was_cut_short_is_finished),
        cmocka_unit_test(json_shows_what_the_command_line_promises),
    };

    if (child_is_requested(argc, argv))
        return child_run(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
