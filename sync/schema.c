/*
 * Reading a database's schema, and its hash.
 *
 * Schema hash: SHA-256 over "lockstep schema 1\n"; then for every stored object
 * with SQL text, sorted by type and name: type, name, table, text; then a zero
 * byte; then for every table sorted by name, virtual ones aside: name, number
 * of replicated columns as a varint, their names; then, unless it is empty, the
 * text of the selection.  Texts are counted by varints.
 */
#include "sync/schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/open.h"
#include "sync/schema_select.h"
#include "sync/state.h"

/* Lockstep's and SQLite's own objects are not part of a schema. */
#define OURS_OR_SQLITES(column)                            \
    "(" column " LIKE 'sqlite\\_%' ESCAPE '\\' OR " column \
    " LIKE '\\_lockstep\\_%' ESCAPE '\\')"

static const char *
column_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    return text == NULL ? "" : text;
}

static void
table_release(struct table *t)
{
    for (int i = 0; i < t->column_count; i++) {
        free(t->columns[i].name);
        free(t->columns[i].default_sql);
        free(t->columns[i].affinity_type);
        free(t->columns[i].collation);
    }
    for (int i = 0; t->key_collations != NULL && i < t->key_count; i++)
        free(t->key_collations[i]);
    for (int i = 0; i < t->kept_count; i++)
        free(t->kept[i].name);
    free(t->kept);
    free(t->filter);
    free(t->key_collations);
    free(t->columns);
    free(t->key_columns);
    free(t->name);
    free(t->sql);
    free(t->rowid_name);
}

void
schema_free(struct schema *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->table_count; i++)
        table_release(&s->tables[i]);
    for (size_t i = 0; i < s->object_count; i++) {
        free(s->objects[i].type);
        free(s->objects[i].name);
        free(s->objects[i].table);
        free(s->objects[i].sql);
    }
    free(s->tables);
    free(s->objects);
    for (size_t i = 0; i < s->left_out_count; i++)
        free(s->left_out[i]);
    free(s->left_out);
    selection_release(&s->selection);
    free(s->selection_text);
    free(s->conflict);
    free(s);
}

const struct table *
schema_find_table(const struct schema *s, const char *name)
{
    size_t low = 0, high = s->table_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, s->tables[middle].name);

        if (order == 0)
            return &s->tables[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Steps STMT and says whether a row is there: 1, 0, or -1 with E. */
static int
next_row(sqlite3 *db, sqlite3_stmt *stmt, struct err *e)
{
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    return database_error(db, e, "could not read the schema");
}

static int
load_objects(struct schema *s, sqlite3 *db, struct err *e)
{
    static const char sql[] =
        "SELECT type,name,tbl_name,sql"
        " FROM main.sqlite_schema WHERE sql IS NOT NULL"
        " AND NOT " OURS_OR_SQLITES("name") " AND NOT " OURS_OR_SQLITES(
            "tbl_name") " ORDER BY rowid";
    sqlite3_stmt *stmt;
    int r;

    if (database_prepare(db, sql, &stmt, e) != 0)
        return -1;
    while ((r = next_row(db, stmt, e)) == 1) {
        if (schema_leaves_out(s, column_text(stmt, 2)))
            continue;
        s->objects =
            alloc_resize(s->objects, s->object_count + 1, sizeof(*s->objects));
        s->objects[s->object_count++] = (struct schema_object){
            .type = alloc_string(column_text(stmt, 0)),
            .name = alloc_string(column_text(stmt, 1)),
            .table = alloc_string(column_text(stmt, 2)),
            .sql = alloc_string(column_text(stmt, 3)),
        };
    }
    sqlite3_finalize(stmt);
    return r;
}

/* What the columns of one table are read into. */
struct column_scan {
    struct schema *schema;
    bool rowid_taken, underscore_taken, oid_taken;
    int key_count; /* columns in PRIMARY KEY */
};

static void
note_name(struct column_scan *scan, const char *name)
{
    if (sqlite3_stricmp(name, "rowid") == 0)
        scan->rowid_taken = true;
    if (sqlite3_stricmp(name, "_rowid_") == 0)
        scan->underscore_taken = true;
    if (sqlite3_stricmp(name, "oid") == 0)
        scan->oid_taken = true;
}

static int
add_column(struct table *t, sqlite3 *db, sqlite3_stmt *stmt,
    struct column_scan *scan, struct err *e)
{
    struct table_column *c;
    const char *name = column_text(stmt, 1);
    const char *type = NULL, *collation = NULL;
    int not_null = 0, in_key = 0, autoincrement = 0;
    int hidden = sqlite3_column_int(stmt, 6);
    int rank = sqlite3_column_int(stmt, 5);

    note_name(scan, name);
    if (rank > 0)
        scan->key_count++;
    if (hidden != 0)
        return 0;
    if (schema_keep_column(scan->schema, t, stmt))
        return 0;
    if (t->unsupported == NULL &&
        sqlite3_table_column_metadata(db, "main", t->name, name, &type,
            &collation, &not_null, &in_key, &autoincrement) != SQLITE_OK)
        return database_error(db, e, "could not read the schema");
    if (autoincrement)
        t->autoincrement = true;
    t->columns = alloc_resize(t->columns, (size_t)t->column_count + 1,
        sizeof(*t->columns));
    c = &t->columns[t->column_count++];
    *c = (struct table_column){
        .name = alloc_string(name),
        .default_sql = sqlite3_column_type(stmt, 4) == SQLITE_NULL
                           ? NULL
                           : alloc_string(column_text(stmt, 4)),
        .affinity_type = alloc_string(column_text(stmt, 2)),
        .collation = alloc_string(collation == NULL ? "BINARY" : collation),
        .not_null = sqlite3_column_int(stmt, 3) != 0,
        .key_rank = rank,
    };
    return 0;
}

static int
load_columns(struct table *t, sqlite3 *db, struct column_scan *scan,
    struct err *e)
{
    sqlite3_stmt *stmt;
    int r;

    if (database_prepare(db,
            "SELECT cid,name,type,\"notnull\",dflt_value,pk,hidden"
            " FROM pragma_table_xinfo(?1,'main') ORDER BY cid",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC);
    while ((r = next_row(db, stmt, e)) == 1)
        if ((r = add_column(t, db, stmt, scan, e)) != 0)
            break;
    sqlite3_finalize(stmt);
    return r;
}

/* Reads the collations of the primary key's index, if there is such an index:
 * a rowid table whose PRIMARY KEY has none is keyed by that column itself. */
static int
load_key_index(struct table *t, sqlite3 *db, bool *found, struct err *e)
{
    sqlite3_stmt *stmt;
    int r, n = 0;

    *found = false;
    if (database_prepare(db,
            "SELECT x.coll FROM pragma_index_list(?1,'main') l,"
            " pragma_index_xinfo(l.name,'main') x"
            " WHERE l.origin='pk' AND x.key ORDER BY x.seqno",
            &stmt, e) != 0)
        return -1;
    sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC);
    while ((r = next_row(db, stmt, e)) == 1) {
        *found = true;
        if (t->without_rowid && n < t->key_count)
            t->key_collations[n++] = alloc_string(column_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
    if (r == 0 && t->without_rowid && n != t->key_count)
        t->unsupported = "its primary key cannot be read";
    return r;
}

static void
set_key_columns(struct table *t, int key_count)
{
    t->key_count = 0;
    t->key_columns = alloc_zeroed((size_t)key_count + 1, sizeof(int));
    t->key_collations = alloc_zeroed((size_t)key_count + 1, sizeof(char *));
    for (int rank = 1; rank <= key_count; rank++)
        for (int i = 0; i < t->column_count; i++)
            if (t->columns[i].key_rank == rank)
                t->key_columns[t->key_count++] = i;
}

static void
set_rowid_name(struct table *t, const struct column_scan *scan)
{
    t->key_count = 1;
    if (t->rowid_is_column) {
        for (int i = 0; i < t->column_count; i++)
            if (t->columns[i].key_rank == 1)
                t->rowid_name = alloc_string(t->columns[i].name);
    } else if (!scan->rowid_taken) {
        t->rowid_name = alloc_string("rowid");
    } else if (!scan->underscore_taken) {
        t->rowid_name = alloc_string("_rowid_");
    } else if (!scan->oid_taken) {
        t->rowid_name = alloc_string("oid");
    }
    if (t->rowid_name == NULL) {
        t->key_count = 0;
        t->unsupported = "all names of its rowid are taken by columns";
    }
}

static int
load_table(struct schema *s, struct table *t, sqlite3 *db, struct err *e)
{
    struct column_scan scan = { .schema = s };
    bool has_index;

    if (load_columns(t, db, &scan, e) != 0)
        return -1;
    if (schema_is_virtual(t->sql))
        return 0;
    if (t->without_rowid) {
        set_key_columns(t, scan.key_count);
        return load_key_index(t, db, &has_index, e);
    }
    if (load_key_index(t, db, &has_index, e) != 0)
        return -1;
    t->rowid_is_column = scan.key_count == 1 && !has_index;
    set_rowid_name(t, &scan);
    return 0;
}

static int
list_tables(struct schema *s, sqlite3 *db, struct err *e)
{
    static const char sql[] =
        "SELECT l.name,l.type,l.wr,m.sql"
        " FROM pragma_table_list l JOIN main.sqlite_schema m"
        " ON m.type='table' AND m.name=l.name"
        " WHERE l.schema='main' AND l.type<>'view'"
        " AND NOT " OURS_OR_SQLITES("l.name") " ORDER BY l.name COLLATE BINARY";
    sqlite3_stmt *stmt;
    int r;

    if (database_prepare(db, sql, &stmt, e) != 0)
        return -1;
    while ((r = next_row(db, stmt, e)) == 1) {
        const char *sql_text = column_text(stmt, 3);
        const char *refused = NULL;

        if (schema_leaves_out(s, column_text(stmt, 0)))
            continue;
        if (schema_is_virtual(sql_text)) {
            refused = schema_refuse_virtual(db, column_text(stmt, 0), sql_text);
            if (refused == NULL)
                continue;
        }
        s->tables =
            alloc_resize(s->tables, s->table_count + 1, sizeof(*s->tables));
        s->tables[s->table_count++] = (struct table){
            .name = alloc_string(column_text(stmt, 0)),
            .sql = alloc_string(sql_text),
            .without_rowid = sqlite3_column_int(stmt, 2) != 0,
            .unsupported = refused,
            .is_shadow = strcmp(column_text(stmt, 1), "shadow") == 0,
        };
    }
    sqlite3_finalize(stmt);
    return r;
}

static void
mark_shadows(struct schema *s)
{
    for (size_t i = 0; i < s->object_count; i++) {
        const struct table *t = strcmp(s->objects[i].type, "table") == 0
                                    ? schema_find_table(s, s->objects[i].name)
                                    : NULL;

        s->objects[i].is_shadow = t != NULL && t->is_shadow;
        s->has_shadows = s->has_shadows || s->objects[i].is_shadow;
    }
}

static int
compare_objects(const void *a, const void *b)
{
    const struct schema_object *const *x = a, *const *y = b;
    int order = strcmp((*x)->type, (*y)->type);

    return order != 0 ? order : strcmp((*x)->name, (*y)->name);
}

static void
put_text(struct buf *b, const char *text)
{
    size_t len = strlen(text);

    buf_put_varint(b, len);
    buf_put(b, text, len);
}

static void
hash_schema(struct schema *s)
{
    const struct schema_object **sorted;
    struct buf b = BUF_INIT;

    sorted = alloc_zeroed(s->object_count + 1, sizeof(*sorted));
    for (size_t i = 0; i < s->object_count; i++)
        sorted[i] = &s->objects[i];
    if (s->object_count > 0)
        qsort(sorted, s->object_count, sizeof(*sorted), compare_objects);
    buf_printf(&b, "lockstep schema 1\n");
    for (size_t i = 0; i < s->object_count; i++) {
        put_text(&b, sorted[i]->type);
        put_text(&b, sorted[i]->name);
        put_text(&b, sorted[i]->table);
        put_text(&b, sorted[i]->sql);
    }
    buf_put_u8(&b, 0);
    for (size_t i = 0; i < s->table_count; i++) {
        put_text(&b, s->tables[i].name);
        buf_put_varint(&b, (uint64_t)s->tables[i].column_count);
        for (int c = 0; c < s->tables[i].column_count; c++)
            put_text(&b, s->tables[i].columns[c].name);
    }
    if (s->selection_text[0] != '\0')
        put_text(&b, s->selection_text);
    hash_bytes(b.data, b.len, s->hash);
    buf_release(&b);
    free(sorted);
}

int
schema_check_encoding(sqlite3 *db, struct err *e)
{
    sqlite3_stmt *stmt;
    int r;

    if (database_prepare(db, "PRAGMA main.encoding", &stmt, e) != 0)
        return -1;
    r = next_row(db, stmt, e) == 1 ? 0 : -1;
    if (r == 0 && strcmp(column_text(stmt, 0), "UTF-8") != 0) {
        r = err_set(e, ERR_UNSUPPORTED, "the database is encoded in %s",
            column_text(stmt, 0));
        err_hint(e, "Only UTF-8 is replicated; docs/datasets.md says how to "
                    "convert a database.");
    }
    sqlite3_finalize(stmt);
    return r;
}

int
schema_load_selected(struct schema **schema, sqlite3 *db, const char *selection,
    struct err *e)
{
    struct schema *s = alloc_zeroed(1, sizeof(*s));

    *schema = NULL;
    s->selection_text = alloc_string(selection != NULL ? selection : "");
    if (schema_check_encoding(db, e) != 0 ||
        schema_select_begin(s, db, e) != 0 || load_objects(s, db, e) != 0 ||
        list_tables(s, db, e) != 0)
        goto fail;
    for (size_t i = 0; i < s->table_count; i++)
        if (load_table(s, &s->tables[i], db, e) != 0)
            goto fail;
    mark_shadows(s);
    if (schema_select_end(s, db, e) != 0)
        goto fail;
    hash_schema(s);
    *schema = s;
    return 0;
fail:
    schema_free(s);
    return -1;
}

int
schema_load(struct schema **schema, sqlite3 *db, struct err *e)
{
    char *selection;
    int r;

    *schema = NULL;
    if (state_read_selection(db, &selection, e) != 0)
        return -1;
    r = schema_load_selected(schema, db, selection, e);
    free(selection);
    return r;
}
