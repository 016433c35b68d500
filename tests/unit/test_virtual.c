/*
 * Virtual tables arrive usable: a program that had the secondary's file open
 * all the while finds there what is found on the primary.
 */
#include "tests/unit/ddl_world.h"

static const char plain_sql[] =
    "CREATE TABLE mails(id INTEGER PRIMARY KEY, subject TEXT, body TEXT);"
    "WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<300) INSERT"
    " INTO mails SELECT i,'subject '||i,'body '||i||' word'||(i%17) FROM n;";

struct kind {
    const char *name;
    const char *create;   /* and fill */
    const char *steps[8]; /* pushed one by one; NULL ends */
    const char *asks[4];  /* asked after each on both sides */
};

#define EXTERNAL_SQL                                                       \
    "CREATE TRIGGER mi AFTER INSERT ON mails BEGIN INSERT INTO f(rowid,"   \
    "subject,body) VALUES(new.id,new.subject,new.body); END;"              \
    "CREATE TRIGGER md AFTER DELETE ON mails BEGIN INSERT INTO f(f,rowid," \
    "subject,body) VALUES('delete',old.id,old.subject,old.body); END;"     \
    "CREATE TRIGGER mu AFTER UPDATE ON mails BEGIN INSERT INTO f(f,rowid," \
    "subject,body) VALUES('delete',old.id,old.subject,old.body); INSERT"   \
    " INTO f(rowid,subject,body) VALUES(new.id,new.subject,new.body); END;"

static const struct kind kinds[] = {
    {
        .name = "fts5",
        .create = "CREATE VIRTUAL TABLE f USING fts5(subject, body UNINDEXED,"
                  " prefix='2 3', tokenize='porter unicode61');"
                  "INSERT INTO f SELECT subject,body FROM mails",
        .steps = { "INSERT INTO f VALUES('running late','x')",
            "UPDATE f SET subject='walked' WHERE rowid=9",
            "DELETE FROM f WHERE rowid<40",
            "INSERT INTO f(f) VALUES('optimize')",
            "INSERT INTO f(f,rank) VALUES('rank','bm25(10.0)')",
            "DROP TABLE f; CREATE VIRTUAL TABLE f USING fts5(subject, body);"
            "INSERT INTO f SELECT subject,body FROM mails WHERE id<100" },
        .asks = { "SELECT rowid,* FROM f WHERE f MATCH 'run OR walk OR 4' "
                  "ORDER BY"
                  " rowid",
            "SELECT rowid FROM f WHERE f MATCH 'subj* AND 4*' ORDER BY rank" },
    },
    {
        .name = "fts5, contentless",
        .create =
            "CREATE VIRTUAL TABLE f USING fts5(subject, body, content='');"
            "INSERT INTO f(rowid,subject,body) SELECT * FROM mails",
        .steps = { "INSERT INTO f(rowid,subject,body) VALUES(999,'new','one')",
            "INSERT INTO f(f,rowid,subject,body) SELECT 'delete',* FROM mails"
            " WHERE id=5" },
        .asks = { "SELECT rowid FROM f WHERE f MATCH 'new OR word5'"
                  " ORDER BY rowid" },
    },
    {
        .name = "fts5, external content",
        .create = "CREATE VIRTUAL TABLE f USING fts5(subject, body,"
                  " content=mails, content_rowid=id);"
                  "INSERT INTO f(f) VALUES('rebuild');" EXTERNAL_SQL,
        .steps = { "INSERT INTO mails VALUES(1000,'hello world','of words')",
            "UPDATE mails SET body='nothing' WHERE id%17=3",
            "DELETE FROM mails WHERE id BETWEEN 50 AND 70",
            "INSERT INTO f(f) VALUES('rebuild')",
            "INSERT INTO f(f) VALUES('integrity-check')" },
        .asks = { "SELECT rowid,* FROM f WHERE f MATCH 'hello OR nothing OR"
                  " word4' ORDER BY rowid" },
    },
    {
        .name = "fts5vocab",
        .create =
            "CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f SELECT"
            " body FROM mails; CREATE VIRTUAL TABLE v USING"
            " fts5vocab('f','row')",
        .steps = { "INSERT INTO f VALUES('word3 other')" },
        .asks = { "SELECT * FROM v ORDER BY term" },
    },
    {
        .name = "fts4",
        .create = "CREATE VIRTUAL TABLE f USING fts4(subject, body);"
                  "INSERT INTO f SELECT subject,body FROM mails",
        .steps = { "INSERT INTO f VALUES('running late','x')",
            "UPDATE f SET subject='walked' WHERE rowid=9",
            "DELETE FROM f WHERE rowid<40",
            "INSERT INTO f(f) VALUES('optimize')" },
        .asks = { "SELECT rowid,* FROM f WHERE f MATCH 'running OR walked OR"
                  " word4' ORDER BY rowid" },
    },
    {
        .name = "fts3",
        .create = "CREATE VIRTUAL TABLE f USING fts3(subject, body);"
                  "INSERT INTO f SELECT subject,body FROM mails",
        .steps = { "INSERT INTO f VALUES('running late','x')",
            "DELETE FROM f WHERE rowid<40" },
        .asks = { "SELECT rowid,* FROM f WHERE f MATCH 'running OR word4'"
                  " ORDER BY rowid" },
    },
    {
        .name = "rtree",
        .create = "CREATE VIRTUAL TABLE f USING rtree(id,x0,x1,y0,y1,+note);"
                  "INSERT INTO f SELECT id,id,id+2,id%19,id%19+1,subject FROM"
                  " mails",
        .steps = { "INSERT INTO f VALUES(1000,5,6,5,6,'new')",
            "UPDATE f SET x0=1,x1=500 WHERE id=7",
            "DELETE FROM f WHERE id BETWEEN 40 AND 250" },
        .asks = { "SELECT * FROM f WHERE x1>=4 AND x0<=30 AND y0<9 ORDER BY id",
            "SELECT count(*) FROM f", "SELECT rtreecheck('f')" },
    },
    {
        .name = "rtree_i32",
        .create = "CREATE VIRTUAL TABLE f USING rtree_i32(id,x0,x1);"
                  "INSERT INTO f SELECT id,id,id+2 FROM mails",
        .steps = { "INSERT INTO f VALUES(500,5,6)" },
        .asks = { "SELECT * FROM f WHERE x1>=4 AND x0<=30 ORDER BY id" },
    },
    {
        .name = "renamed",
        .create = "CREATE VIRTUAL TABLE f USING rtree_i32(id,x0,x1);"
                  "INSERT INTO f SELECT id,id,id+2 FROM mails;"
                  "CREATE VIRTUAL TABLE g USING fts5(body); INSERT INTO g"
                  " SELECT subject FROM mails",
        .steps = { "ALTER TABLE f RENAME TO h; ALTER TABLE h RENAME TO f;"
                   "ALTER TABLE g RENAME TO \"g 2\"",
            "INSERT INTO f VALUES(500,5,6);"
            "INSERT INTO \"g 2\" VALUES('subject')",
            "ALTER TABLE mails ADD COLUMN x; ALTER TABLE \"g 2\" RENAME TO"
            " g3",
            "CREATE TABLE other(a)" },
        .asks = { "SELECT * FROM f WHERE x1>=4 AND x0<=30 ORDER BY id" },
    },
};

/* What is found on both sides, by connections that stay open. */
static void
ask(const struct kind *k, struct world *w, sqlite3 *other, const char *where)
{
    for (size_t i = 0; i < 4 && k->asks[i] != NULL; i++) {
        struct buf a = BUF_INIT, b = BUF_INIT;

        world_dump_query(w->app, k->asks[i], &a);
        world_dump_query(other, k->asks[i], &b);
        if (a.len == 0 || a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
            fail_msg("%s, after %s: %s:\n%.*s\nhere:\n%.*s", k->name, where,
                k->asks[i], (int)a.len, (char *)a.data, (int)b.len,
                (char *)b.data);
        buf_release(&a);
        buf_release(&b);
    }
}

static void
expect_arrives(const struct kind *k, enum capture_mode mode, bool there)
{
    struct world w;
    sqlite3 *other;
    char *sql = alloc_format("%s%s", plain_sql, there ? k->create : "");

    world_init(&w, mode, sql);
    free(sql);
    assert_int_equal(sqlite3_open(w.live[1], &other), SQLITE_OK);
    if (there) {
        ask(k, &w, other, "the overwrite");
    } else {
        world_sql(&w, k->create);
        world_push(&w);
        world_expect_same(&w);
        ask(k, &w, other, "CREATE");
    }
    for (size_t i = 0; i < 8 && k->steps[i] != NULL; i++) {
        world_sql(&w, k->steps[i]);
        world_push(&w);
        world_expect_same(&w);
        ask(k, &w, other, k->steps[i]);
    }
    if (strstr(w.notices, "overwrite-needed") != NULL)
        fail_msg("%s: %s", k->name, w.notices);
    sqlite3_close(other);
    world_release(&w);
}

static void
searches_find_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        for (int mode = 0; mode < 2; mode++)
            for (int there = 0; there < 2; there++)
                expect_arrives(&kinds[i], (enum capture_mode)mode, there != 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_find_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
