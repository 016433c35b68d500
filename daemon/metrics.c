/*
 * This node as Prometheus text (exposition format 0.0.4).
 */
#include "base/buf.h"
#include "base/clock.h"
#include "daemon/datasets.h"
#include "daemon/engine.h"
#include "daemon/fleet.h"
#include "daemon/gate.h"
#include "daemon/hooks.h"
#include "daemon/inbound.h"
#include "daemon/status.h"

struct dataset_metric {
    const char *name;
    const char *help;
    double (*value)(const struct dataset *ds);
};

static double
revision(const struct dataset *ds)
{
    return (double)ds->view.state.revision;
}

static double
rows(const struct dataset *ds)
{
    return (double)ds->view.state.rows;
}

static double
bytes(const struct dataset *ds)
{
    return (double)ds->view.bytes;
}

static double
held(const struct dataset *ds)
{
    return ds->view.held[0] != '\0';
}

static double
drift_rows(const struct dataset *ds)
{
    return (double)ds->view.replica.drift_rows;
}

static double
unpublished(const struct dataset *ds)
{
    return ds->view.unpublished;
}

static double
last_change(const struct dataset *ds)
{
    return (double)ds->view.state.changed_ms / 1000;
}

static const struct dataset_metric dataset_metrics[] = {
    { "revision", "Revision held", revision },
    { "rows", "Rows of the revision held", rows },
    { "bytes", "Bytes of the database file", bytes },
    { "held", "1 while publishing waits for an administrator", held },
    { "unpublished", "1 while the live database may be ahead", unpublished },
    { "drift_rows", "Rows known to differ from what was pushed", drift_rows },
    { "last_change_seconds", "When the revision was made, Unix time",
        last_change },
};

static void
put_gauge(struct buf *out, const char *name, const char *help)
{
    buf_printf(out, "# HELP lockstep_%s %s.\n# TYPE lockstep_%s gauge\n", name,
        help, name);
}

static void
put_refusals(const struct gate *gate, struct buf *out)
{
    buf_printf(out, "# HELP lockstep_refused_total Connections refused before "
                    "their first byte from us.\n"
                    "# TYPE lockstep_refused_total counter\n");
    for (int i = 0; i < GATE_REFUSALS; i++)
        buf_printf(out, "lockstep_refused_total{by=\"%s\"} %llu\n",
            gate_refusal_name((enum gate_refusal)i),
            (unsigned long long)gate_refused(gate, (enum gate_refusal)i));
}

void
metrics_render(struct engine *engine, struct buf *out)
{
    const struct node *node = &engine->node;
    char why[512];
    size_t i;
    size_t k;

    put_gauge(out, "info", "Version and role of this node");
    buf_printf(out, "lockstep_info{version=\"%s\",node=\"%s\",role=\"%s\"} 1\n",
        LOCKSTEP_VERSION, node->name, node_role_name(node->role));
    put_gauge(out, "uptime_seconds", "Seconds since the start");
    buf_printf(out, "lockstep_uptime_seconds %lld\n",
        (long long)(clock_mono_ms() - node->started_mono_ms) / 1000);
    put_gauge(out, "healthy", "1 while this node is as it should be");
    buf_printf(out, "lockstep_healthy %d\n",
        fleet_healthy(engine->fleet, why, sizeof(why)));
    put_gauge(out, "in_effect", "1 while hooks have put all into effect");
    buf_printf(out, "lockstep_in_effect %d\n",
        hooks_all_in_effect(engine->hooks));
    put_gauge(out, "epoch", "Epoch of the cluster");
    buf_printf(out, "lockstep_epoch %llu\n", (unsigned long long)node->epoch);
    put_gauge(out, "sessions", "Sessions on the admin port");
    buf_printf(out, "lockstep_sessions %zu\n",
        inbounds_count(engine->inbounds));
    put_refusals(engine->gate, out);
    if (node->role == NODE_SECONDARY) {
        put_gauge(out, "primary_heard_seconds",
            "When the primary was last heard from, Unix time");
        buf_printf(out, "lockstep_primary_heard_seconds %.3f\n",
            (double)node->primary_heard_ms / 1000);
    }
    for (i = 0; i < sizeof(dataset_metrics) / sizeof(dataset_metrics[0]); i++) {
        const struct dataset_metric *m = &dataset_metrics[i];

        buf_printf(out,
            "# HELP lockstep_dataset_%s %s.\n"
            "# TYPE lockstep_dataset_%s gauge\n",
            m->name, m->help, m->name);
        for (k = 0; k < datasets_count(engine->datasets); k++) {
            const struct dataset *ds = datasets_at(engine->datasets, k);

            buf_printf(out, "lockstep_dataset_%s{dataset=\"%s\"} %.15g\n",
                m->name, ds->name, m->value(ds));
        }
    }
    fleet_metrics(engine->fleet, out);
}
