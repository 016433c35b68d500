/*
 * A kept connection to a node's admin port, so that what is measured is the
 * command and not a login.
 *
 *     control_client HOST PORT KEY_FILE FINGERPRINT
 *
 * Each line of standard input is {"command": ..., "args": {...}}; each is
 * answered with one line, the microseconds it took and the result or error.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin-proto/ssh_client.h"

#define WAIT_MS (600 * 1000)

static int64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void
run_line(struct admin_client *client, const char *line)
{
    json_t *request = json_loads(line, 0, NULL);
    json_t *result = NULL;
    struct err e = ERR_INIT;
    int64_t began;
    int64_t took;
    int r;

    if (request == NULL) {
        printf("0 {\"error\": {\"code\": \"USAGE\"}}\n");
        return;
    }
    began = now_us();
    r = admin_client_control(client,
        json_string_value(json_object_get(request, "command")),
        json_object_get(request, "args"), NULL, NULL, WAIT_MS, &result, &e);
    took = now_us() - began;
    if (r != 0)
        result = json_pack("{s:{s:s,s:s}}", "error", "code",
            err_code_name(e.code), "message", e.message);
    printf("%lld ", (long long)took);
    json_dumpf(result, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    printf("\n");
    json_decref(result);
    json_decref(request);
}

int
main(int argc, char **argv)
{
    struct admin_client_options options = { 0 };
    struct admin_client *client = NULL;
    struct err e = ERR_INIT;
    char *line = NULL;
    size_t size = 0;

    if (argc != 5) {
        fprintf(stderr, "usage: control_client HOST PORT KEY FINGERPRINT\n");
        return 2;
    }
    options.host = argv[1];
    options.port = (uint16_t)atoi(argv[2]);
    options.user = "local";
    options.key_path = argv[3];
    options.fingerprint = argv[4];
    if (admin_client_connect(&client, &options, &e) != 0) {
        fprintf(stderr, "control_client: %s\n", e.message);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (getline(&line, &size, stdin) > 0)
        run_line(client, line);
    free(line);
    admin_client_close(client);
    return 0;
}
