/*
 * A source and replicas of it in one process, led by lines on standard input,
 * for checkers that are written in another language and share no code with us.
 *
 *     open FOLDER triggers|compare triggers|compare   capture, drift capture;
 *                     FOLDER/selection: what is not replicated, if it is there
 *     push N      publishes, and brings replica N (0 or 1) up to date
 *     close
 *
 * FOLDER/live.db is the live database; FOLDER/work, FOLDER/0/live.db and
 * FOLDER/1/live.db are ours.  Each line is answered by one: "ok", "error CODE
 * TEXT", or for a push "none|changes|overwrite BYTES compared|noted TEXT" with
 * the notices since the last answer as TEXT.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sync/replica.h"
#include "sync/source.h"

#define REPLICAS 2

struct receiver {
    struct replica *replica;
    struct dataset_config config;
};

struct pair {
    struct source *source;
    struct dataset_config config;
    struct receiver receivers[REPLICAS];
    bool compared;
    char notices[2048];
};

static const uint8_t writer[ID_SIZE] = { 1, 2, 3 };
static const uint8_t cluster[ID_SIZE] = { 4, 5, 6 };
static const uint8_t seed[ED25519_SEED_SIZE] = { 7, 8, 9 };

static int
sign(void *ctx, const uint8_t hash[HASH_SIZE],
    uint8_t signature[ED25519_SIGNATURE_SIZE], struct err *e)
{
    (void)ctx;
    return ed25519_sign(seed, hash, HASH_SIZE, signature, e);
}

static const struct bundle_signer signer = { sign, NULL };

static void
note(void *ctx, const char *kind, const char *text)
{
    struct pair *p = ctx;
    size_t used = strlen(p->notices);

    snprintf(p->notices + used, sizeof(p->notices) - used, "%s: %s; ", kind,
        text);
}

static struct dataset_config
configuration(struct pair *p, const char *live, const char *work)
{
    return (struct dataset_config){
        .name = "any",
        .live_path = alloc_string(live),
        .work_dir = alloc_string(work),
        .history_bytes = (uint64_t)64 << 20,
        .history_age_ms = (int64_t)3600 * 1000,
        .notice = note,
        .ctx = p,
    };
}

static void
config_release(struct dataset_config *config)
{
    free((char *)config->live_path);
    free((char *)config->work_dir);
    free((char *)config->selection);
    memset(config, 0, sizeof(*config));
}

static int
open_receiver(struct pair *p, const char *folder, int n,
    enum capture_mode drift, struct err *e)
{
    struct receiver *r = &p->receivers[n];
    char *dir = alloc_format("%s/%d", folder, n);
    char *live = alloc_format("%s/live.db", dir);
    uint8_t key[ED25519_PUBLIC_SIZE];
    int result = -1;

    r->config = configuration(p, live, dir);
    r->config.drift_capture = drift;
    if (file_make_folder(dir, 0700, e) == 0 &&
        ed25519_public(seed, key, e) == 0 &&
        replica_open(&r->replica, &r->config, e) == 0) {
        replica_trust(r->replica, cluster, 1, key);
        result = 0;
    }
    free(live);
    free(dir);
    return result;
}

static enum capture_mode
mode_of(const char *word)
{
    return strcmp(word, "compare") == 0 ? CAPTURE_COMPARE : CAPTURE_TRIGGERS;
}

/* FOLDER/selection, if it is there: what is replicated. */
static int
read_selection(struct pair *p, const char *folder, struct err *e)
{
    char *path = alloc_format("%s/selection", folder);
    struct buf text = BUF_INIT;
    int r = 0;

    if (file_exists(path)) {
        r = file_read(path, 65536, &text, e);
        buf_put_u8(&text, 0);
        p->config.selection = (char *)text.data;
    }
    free(path);
    return r;
}

static int
open_pair(struct pair *p, char **words, struct err *e)
{
    char *live = alloc_format("%s/live.db", words[1]);
    char *work = alloc_format("%s/work", words[1]);
    int r = -1;

    p->config = configuration(p, live, work);
    p->config.capture = mode_of(words[2]);
    if (read_selection(p, words[1], e) == 0 &&
        file_make_folder(work, 0700, e) == 0 &&
        source_open(&p->source, &p->config, writer, e) == 0)
        r = source_set_cluster(p->source, cluster, 1, e);
    for (int n = 0; r == 0 && n < REPLICAS; n++)
        r = open_receiver(p, words[1], n, mode_of(words[3]), e);
    if (r == 0)
        puts("ok");
    free(live);
    free(work);
    return r;
}

static int
close_pair(struct pair *p, char **words, struct err *e)
{
    (void)words;
    (void)e;
    source_close(p->source);
    config_release(&p->config);
    for (int n = 0; n < REPLICAS; n++) {
        replica_close(p->receivers[n].replica);
        config_release(&p->receivers[n].config);
    }
    memset(p, 0, sizeof(*p));
    puts("ok");
    return 0;
}

static int
overwrite(struct pair *p, struct replica *r, size_t *bytes, struct err *e)
{
    struct digest none = { 0 };
    struct buf piece = BUF_INIT;
    struct overwrite_stream *stream = NULL;
    struct image *image = NULL;
    bool last = false;
    int result = -1;

    if (source_image_open(p->source, &image, e) != 0 ||
        overwrite_stream_open(image, "any", 0, &none, &signer, &stream, e) !=
            0 ||
        replica_overwrite_begin(r, e) != 0)
        goto out;
    do {
        buf_clear(&piece);
        if (overwrite_stream_next(stream, 200000, &piece, &last, e) != 0 ||
            replica_overwrite_write(r, piece.data, piece.len, e) != 0) {
            replica_overwrite_abort(r);
            goto out;
        }
        *bytes += piece.len;
    } while (!last);
    result = replica_overwrite_finish(r, e);
out:
    overwrite_stream_close(stream);
    buf_release(&piece);
    return result;
}

/* As many bundles as it takes. */
static int
bundle(struct pair *p, struct replica *r, uint64_t from, size_t *bytes,
    struct err *e)
{
    struct bundle_header made = { .to_revision = from };
    struct dataset_state s;
    struct buf out = BUF_INIT;
    int result = 0;

    source_state(p->source, &s);
    *bytes = 0;
    while (result == 0 && made.to_revision < s.revision) {
        buf_clear(&out);
        result =
            source_bundle(p->source, made.to_revision, &signer, &out, &made, e);
        *bytes += out.len;
        if (result == 0)
            result = replica_apply(r, out.data, out.len, e);
    }
    buf_release(&out);
    return result;
}

/* The digests are those of all rows, and agree. */
static int
prove(struct pair *p, struct replica *r, struct err *e)
{
    struct dataset_state s;
    bool equal;

    if (source_verify(p->source, &equal, e) != 0)
        return -1;
    if (!equal)
        return err_set(e, ERR_DIGEST,
            "the published digest is not that of "
            "its rows");
    if (replica_scrub(r, e) != 0)
        return -1;
    source_state(p->source, &s);
    return replica_heartbeat(r, cluster, 1, writer, s.revision, &s.digest, e);
}

static int
bring_up(struct pair *p, struct replica *r, struct err *e)
{
    struct dataset_state s;
    struct replica_status held;
    bool known = false, chained = false;
    const char *how = "none";
    size_t bytes = 0;
    int result = 0;

    source_state(p->source, &s);
    replica_status(r, &held);
    if (held.state.revision != 0 &&
        source_knows(p->source, held.state.revision, &held.state.digest, &known,
            &chained, e) != 0)
        return -1;
    if (held.state.revision == 0 || !known || !chained) {
        how = "overwrite";
        result = overwrite(p, r, &bytes, e);
    } else if (held.state.revision != s.revision) {
        how = "changes";
        result = bundle(p, r, held.state.revision, &bytes, e);
        /* What cannot be mended by rows is mended by everything, as the
         * fleet does it; the reason is told. */
        if (result != 0) {
            note(p, "refused", e->message);
            err_clear(e);
            how = "overwrite";
            result = overwrite(p, r, &bytes, e);
        }
    }
    if (result != 0 || prove(p, r, e) != 0)
        return -1;
    printf("%s %zu %s %s\n", how, bytes, p->compared ? "compared" : "noted",
        p->notices);
    p->notices[0] = '\0';
    return 0;
}

static int
push(struct pair *p, char **words, struct err *e)
{
    struct publish_result result = { 0 };
    int n = atoi(words[1]) == 1;

    if (p->source == NULL)
        return err_set(e, ERR_INVALID, "nothing is open");
    if (source_publish_audited(p->source, &result, e) != 0)
        return err_wrap(e, "publish");
    p->compared = result.compared;
    if (source_trim(p->source, e) == 0)
        source_write_back(p->source, e);
    err_clear(e);
    return bring_up(p, p->receivers[n].replica, e);
}

static const struct {
    const char *name;
    int words;
    int (*run)(struct pair *p, char **words, struct err *e);
} commands[] = {
    { "open", 4, open_pair },
    { "push", 2, push },
    { "close", 1, close_pair },
};

static int
obey(struct pair *p, char *line, struct err *e)
{
    char *words[4] = { NULL }, *rest = line;
    int count = 0;

    while (count < 4 && (words[count] = strsep(&rest, " \n")) != NULL)
        if (words[count][0] != '\0')
            count++;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (words[0] != NULL && count == commands[i].words &&
            strcmp(words[0], commands[i].name) == 0)
            return commands[i].run(p, words, e);
    return err_set(e, ERR_INVALID, "no such command");
}

int
main(void)
{
    static struct pair p;
    char *line = NULL;
    size_t size = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    while (getline(&line, &size, stdin) > 0) {
        struct err e = ERR_INIT;

        if (obey(&p, line, &e) != 0)
            printf("error %s %s; %s\n", err_code_name(e.code), e.message,
                p.notices);
    }
    free(line);
    return 0;
}
