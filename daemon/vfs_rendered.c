/*
 * Files that are rendered when somebody opens them: kept per node for a second,
 * so that STAT and OPEN agree and a crowd of monitors costs one rendering, and
 * padded, so that their size seldom changes between the two.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "daemon/engine.h"
#include "daemon/fleet.h"
#include "daemon/status.h"
#include "daemon/vfs_internal.h"

#define KEEP_MS 1000
#define PAD_TO 4096

struct rendered_file {
    struct vfs_file file;
    struct rendering *rendering;
};

static const char readme_text[] =
    "This is the admin port of a Lockstep node, as a file tree.\n"
    "\n"
    "  status.json            this node, its cluster and its datasets\n"
    "  servers.json           the servers of this primary\n"
    "  metrics.prom           the same for Prometheus\n"
    "  events.jsonl           what happened, one JSON object per line\n"
    "  control                write one JSON request, read JSON lines back:\n"
    "                         {\"command\": \"status\"}\n"
    "  datasets/NAME/snapshot.db  the published copy, an SQLite database;\n"
    "                         writing replaces the content on a primary\n"
    "  datasets/NAME/push     for primaries\n"
    "\n"
    "Not everybody may read or write everything. Nothing can be made, renamed\n"
    "or removed here. The command line \"lockstep\" does all this for you.\n";

static void
render_readme(struct engine *engine, struct buf *out)
{
    (void)engine;
    buf_put(out, readme_text, strlen(readme_text));
}

static void
put_json(struct buf *out, json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

    buf_put(out, text, strlen(text));
    free(text);
    json_decref(json);
}

static void
render_status(struct engine *engine, struct buf *out)
{
    put_json(out, status_json(engine));
}

static void
render_servers(struct engine *engine, struct buf *out)
{
    put_json(out, fleet_json(engine->fleet));
}

static void (*const renderers[RENDERING_COUNT])(struct engine *engine,
    struct buf *out) = {
    [RENDERING_README] = render_readme,
    [RENDERING_STATUS] = render_status,
    [RENDERING_SERVERS] = render_servers,
    [RENDERING_METRICS] = metrics_render,
};

void
rendering_release(struct rendering *r)
{
    if (r == NULL || --r->references > 0)
        return;
    buf_release(&r->text);
    free(r);
}

static struct rendering *
render(struct vfs *vfs, enum rendering_kind kind)
{
    struct rendering *r = vfs->renderings[kind];
    int64_t now_ms = clock_mono_ms();

    if (r != NULL && now_ms - r->made_ms < KEEP_MS)
        return r;
    rendering_release(r);
    r = alloc_zeroed(1, sizeof(*r));
    r->references = 1;
    r->made_ms = now_ms;
    r->mtime_s = (uint32_t)(clock_utc_ms() / 1000);
    renderers[kind](vfs->engine, &r->text);
    do {
        buf_put_u8(&r->text, '\n');
    } while (r->text.len % PAD_TO != 0);
    vfs->renderings[kind] = r;
    return r;
}

static void
rendered_read(struct vfs_file *f, uint32_t tag, uint64_t offset,
    uint32_t length)
{
    const struct rendered_file *file = (struct rendered_file *)f;

    vfs_reply_slice(f->session, tag, &file->rendering->text, offset, length);
}

static void
rendered_stat(struct vfs_file *f, uint32_t tag)
{
    const struct rendered_file *file = (struct rendered_file *)f;
    struct fxp_attrs attrs = { .size = file->rendering->text.len,
        .mode = S_IFREG | 0400,
        .mtime_s = file->rendering->mtime_s };

    vfs_reply_attrs(f->session, tag, &attrs);
}

static void
rendered_release(struct vfs_file *f)
{
    rendering_release(((struct rendered_file *)f)->rendering);
}

static const struct vfs_file_type rendered_type = { .read = rendered_read,
    .stat = rendered_stat,
    .release = rendered_release };

static void
open_rendered(struct vfs_session *s, uint32_t tag, uint32_t flags,
    enum rendering_kind kind)
{
    struct rendered_file *file =
        vfs_file_new(sizeof(*file), &rendered_type, s, flags);

    file->rendering = render(s->vfs, kind);
    file->rendering->references++;
    vfs_file_install(&file->file, tag);
}

static void
rendered_attributes(struct vfs_session *s, struct fxp_attrs *attrs,
    enum rendering_kind kind)
{
    const struct rendering *r = render(s->vfs, kind);

    attrs->size = r->text.len;
    attrs->mtime_s = r->mtime_s;
}

#define RENDERED(name, kind)                                                \
    void vfs_##name##_open(struct vfs_session *s, struct dataset *ds,       \
        uint32_t tag, uint32_t flags)                                       \
    {                                                                       \
        (void)ds;                                                           \
        open_rendered(s, tag, flags, kind);                                 \
    }                                                                       \
                                                                            \
    void vfs_##name##_attributes(struct vfs_session *s, struct dataset *ds, \
        struct fxp_attrs *attrs)                                            \
    {                                                                       \
        (void)ds;                                                           \
        rendered_attributes(s, attrs, kind);                                \
    }

RENDERED(readme, RENDERING_README)
RENDERED(status, RENDERING_STATUS)
RENDERED(servers, RENDERING_SERVERS)
RENDERED(metrics, RENDERING_METRICS)
