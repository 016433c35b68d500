/*
 * Parsing of the command line, driven by the tables of options and commands.
 */
#include "manager-tui/arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "manager-tui/secret.h"

#define WORDS_MAX 4096

const struct option global_options[] = {
    { "state-dir", "DIR", OPTION_TEXT, "state_dir",
        "the local node (default /var/lib/lockstep)" },
    { "connect", "[USER@]HOST[:PORT]", OPTION_TEXT, "connect",
        "a remote node (default user admin, port 14983)" },
    { "password-file", "FILE", OPTION_TEXT, "password_file",
        "read the password from FILE (\"-\" is stdin)" },
    { "fingerprint", "SHA256:...", OPTION_TEXT, "fingerprint",
        "the key that the remote node must show" },
    { "trust-on-first-use", NULL, OPTION_FLAG, "trust_on_first_use",
        "accept the key that it shows" },
    { "json", NULL, OPTION_FLAG, "json", "one JSON document on stdout" },
    { "yes", NULL, OPTION_FLAG, "yes", "agree to what would be asked" },
    { "no-input", NULL, OPTION_FLAG, "no_input", "never ask" },
    { "quiet", NULL, OPTION_FLAG, "quiet", "no progress" },
    { "plain", "VIEW", OPTION_TEXT, "plain",
        "one view of the manager as text: overview, servers, ..." },
    { "timeout", "SECONDS", OPTION_DURATION, "timeout_ms",
        "how long to wait for an answer" },
    { NULL, NULL, OPTION_FLAG, NULL, NULL },
};

static int
bad_value(const struct option *option, const char *text, const char *wanted,
    struct err *e)
{
    err_set(e, ERR_USAGE, "--%s: \"%s\" is not %s", option->name, text, wanted);
    return -1;
}

static int
read_text(const struct option *option, const char *text, json_t **value,
    struct err *e)
{
    *value = json_string(text);
    return *value != NULL ? 0 : bad_value(option, text, "UTF-8 text", e);
}

static int
read_int(const struct option *option, const char *text, json_t **value,
    struct err *e)
{
    char *end;
    long long number;

    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        return bad_value(option, text, "a number", e);
    *value = json_integer(number);
    return 0;
}

static int
read_yes_no(const struct option *option, const char *text, json_t **value,
    struct err *e)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = { { "yes", true }, { "no", false }, { "true", true },
        { "false", false }, { "on", true }, { "off", false } };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i].text, text) == 0) {
            *value = json_boolean(words[i].value);
            return 0;
        }
    return bad_value(option, text, "yes or no", e);
}

static int
read_duration(const struct option *option, const char *text, json_t **value,
    struct err *e)
{
    struct err why = ERR_INIT;
    int64_t ms = 0;

    if (clock_parse_duration(text, &ms, &why) != 0)
        return bad_value(option, text, "a duration such as 60s, 5m or 2h", e);
    *value = json_integer(ms);
    return 0;
}

static int
read_time(const struct option *option, const char *text, json_t **value,
    struct err *e)
{
    struct err why = ERR_INIT;
    int64_t ms = 0, utc_ms = 0;

    if (strcmp(text, "never") == 0) {
        *value = json_string(text);
        return 0;
    }
    if (clock_parse(text, &utc_ms, &why) != 0) {
        if (clock_parse_duration(text, &ms, &why) != 0)
            return bad_value(option, text,
                "a time such as 2026-01-31, 2026-01-31T12:00:00Z or 2h", e);
        /* "--since 2h" is two hours ago, "--expires 2h" in two hours. */
        utc_ms =
            clock_utc_ms() + (strcmp(option->member, "since") == 0 ? -ms : ms);
    }
    *value = json_time(utc_ms);
    return 0;
}

static int
read_list(const struct option *option, const char *text, json_t **value,
    struct err *e)
{
    *value = json_array();
    while (*text != '\0') {
        size_t len = strcspn(text, ",");

        if (len > 0 &&
            json_array_append_new(*value, json_stringn(text, len)) != 0) {
            json_decref(*value);
            return bad_value(option, text, "UTF-8 text", e);
        }
        text += len + (text[len] == ',');
    }
    return 0;
}

static int
read_secret(const struct option *option, const char *text, json_t **value,
    struct err *e)
{
    char secret[SECRET_SIZE];

    (void)option;
    if (secret_read_file(text, secret, e) != 0)
        return -1;
    *value = json_string(secret);
    explicit_bzero(secret, sizeof(secret));
    return *value != NULL
               ? 0
               : err_set(e, ERR_USAGE, "the password is not UTF-8 text");
}

static int
take_option(const struct option *option, const char *text, json_t *into,
    struct err *e)
{
    static int (*const readers[])(const struct option *, const char *,
        json_t **, struct err *) = {
        [OPTION_TEXT] = read_text,
        [OPTION_INT] = read_int,
        [OPTION_YES_NO] = read_yes_no,
        [OPTION_DURATION] = read_duration,
        [OPTION_TIME] = read_time,
        [OPTION_LIST] = read_list,
        [OPTION_SECRET] = read_secret,
    };
    json_t *value = NULL, *old = json_object_get(into, option->member);

    if (option->kind == OPTION_FLAG) {
        json_object_set_new(into, option->member, json_true());
        return 0;
    }
    if (old != NULL && option->kind != OPTION_LIST)
        return err_set(e, ERR_USAGE, "--%s was given twice", option->name);
    if (readers[option->kind](option, text, &value, e) != 0)
        return -1;
    if (old != NULL) {
        json_array_extend(old, value);
        json_decref(value);
    } else {
        json_object_set_new(into, option->member, value);
    }
    return 0;
}

const struct option *
arguments_find_option(const struct option *options, const char *name,
    size_t len)
{
    for (; options != NULL && options->name != NULL; options++)
        if (strlen(options->name) == len &&
            strncmp(options->name, name, len) == 0)
            return options;
    return NULL;
}

static int
unknown_option(const struct command *command, const char *name, size_t len,
    struct err *e)
{
    char *typed = alloc_copy(name, len);
    const char *near = command_suggest_option(command, typed);

    err_set(e, ERR_USAGE, "unknown option \"--%s\"", typed);
    if (near != NULL)
        err_hint(e, "Did you mean \"--%s\"?", near);
    free(typed);
    return -1;
}

/* One option at argv[*i], advanced past its value. */
static int
parse_option(struct arguments *a, int argc, char *const *argv, int *i,
    struct err *e)
{
    const char *name = argv[*i] + 2;
    size_t len = strcspn(name, "=");
    const struct option *option = NULL;
    const char *value = name[len] == '=' ? name + len + 1 : NULL;
    json_t *into = a->values;

    if (a->command != NULL)
        option = arguments_find_option(a->command->options, name, len);
    if (option == NULL) {
        option = arguments_find_option(global_options, name, len);
        into = a->globals;
    }
    if (option == NULL)
        return unknown_option(a->command, name, len, e);
    if (option->kind == OPTION_FLAG && value != NULL)
        return err_set(e, ERR_USAGE, "--%s takes no value", option->name);
    if (option->kind != OPTION_FLAG && value == NULL) {
        if (*i + 1 >= argc)
            return err_set(e, ERR_USAGE, "--%s needs a value: %s", option->name,
                option->value);
        value = argv[++*i];
    }
    return take_option(option, value, into, e);
}

static int
unknown_noun(const char *noun, struct err *e)
{
    const char *near = command_suggest_noun(noun);

    err_set(e, ERR_USAGE, "unknown command \"%s\"", noun);
    if (near != NULL)
        err_hint(e, "Did you mean \"%s\"?", near);
    return -1;
}

/* WORDS are a noun and 1 or 2 words that may be its verb. */
static int
unknown_verb(const char **words, size_t count, struct err *e)
{
    char verb[64];
    const char *near;

    snprintf(verb, sizeof(verb), "%.30s%s%.30s", words[1], count > 2 ? " " : "",
        count > 2 ? words[2] : "");
    near = command_suggest_verb(words[0], verb);
    if (near == NULL || strchr(near, ' ') == NULL) {
        near = command_suggest_verb(words[0], words[1]);
        verb[strcspn(verb, " ")] = '\0';
    }
    err_set(e, ERR_USAGE, "unknown command \"%s %s\"", words[0], verb);
    if (near != NULL)
        err_hint(e, "Did you mean \"%s %s\"?", words[0], near);
    return -1;
}

/* Finds the command once enough words are there. */
static int
find_command(struct arguments *a, const char **words, size_t count,
    size_t *used, struct err *e)
{
    char verb[64] = "";

    if (command_find_noun(words[0]) == NULL)
        return unknown_noun(words[0], e);
    a->noun = words[0];
    *used = 1;
    if ((a->command = command_find(words[0], "")) != NULL || count < 2)
        return 0;
    *used = 2;
    if (count > 2)
        snprintf(verb, sizeof(verb), "%.30s %.30s", words[1], words[2]);
    if (count > 2 && (a->command = command_find(words[0], verb)) != NULL) {
        *used = 3;
        return 0;
    }
    a->command = command_find(words[0], words[1]);
    /* "user key" alone waits for its second word. */
    snprintf(verb, sizeof(verb), "%.30s list", words[1]);
    if (a->command != NULL ||
        (count == 2 && command_find(words[0], verb) != NULL))
        return 0;
    return unknown_verb(words, count, e);
}

/* One entry of a command's words. */
struct word {
    char member[32];
    bool integer;
    bool optional;
    bool many;
};

static const char *
next_word(const char *spec, struct word *word)
{
    size_t len;

    *word = (struct word){ .optional = false };
    spec += strspn(spec, " ");
    if (*spec == '#') {
        word->integer = true;
        spec++;
    }
    len = strcspn(spec, " ?*");
    if (len >= sizeof(word->member))
        abort();
    memcpy(word->member, spec, len);
    word->member[len] = '\0';
    spec += len;
    word->optional = *spec == '?' || *spec == '*';
    word->many = *spec == '*';
    return spec + word->optional;
}

bool
arguments_member_at(const struct command *command, size_t index,
    char member[32])
{
    const char *spec = command->words;
    struct word word = { .many = false };
    bool found = false;

    for (size_t i = 0; spec != NULL && *spec != '\0' && i <= index; i++) {
        spec = next_word(spec, &word);
        found = i == index;
    }
    snprintf(member, 32, "%s", word.member);
    return found || word.many;
}

static int
take_word(const struct word *word, const char *text, json_t *values,
    struct err *e)
{
    const struct option as_option = { .name = word->member,
        .kind = word->integer ? OPTION_INT : OPTION_TEXT,
        .member = word->member };
    json_t *array, *value = NULL;

    if (!word->many) {
        if (take_option(&as_option, text, values, e) == 0)
            return 0;
        return err_set(e, ERR_USAGE, "\"%s\" is not %s", text,
            word->integer ? "a number" : "UTF-8 text");
    }
    if (read_text(&as_option, text, &value, e) != 0)
        return err_set(e, ERR_USAGE, "\"%s\" is not UTF-8 text", text);
    array = json_object_get(values, word->member);
    if (array == NULL) {
        array = json_array();
        json_object_set_new(values, word->member, array);
    }
    json_array_append_new(array, value);
    return 0;
}

static int
take_words(struct arguments *a, const char **words, size_t count, struct err *e)
{
    const char *spec = a->command->words;
    struct word word;
    size_t i = 0;

    while (spec != NULL && *spec != '\0') {
        spec = next_word(spec, &word);
        if (i >= count && !word.optional && !a->help)
            return err_set(e, ERR_USAGE, "something is missing: %s",
                a->command->usage);
        for (bool first = true; i < count && (first || word.many);
             first = false, i++)
            if (take_word(&word, words[i], a->values, e) != 0)
                return -1;
    }
    if (i < count && !a->help)
        return err_set(e, ERR_USAGE, "\"%s\" is one word too many", words[i]);
    return 0;
}

static bool
asks_for_help(const char *text, size_t words)
{
    return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0 ||
           (words == 0 && strcmp(text, "help") == 0);
}

/* One argument that is not behind "--": help, an option or a word. */
static int
take_argument(struct arguments *a, int argc, char *const *argv, int *i,
    const char **words, size_t *count, struct err *e)
{
    const char *text = argv[*i];

    if (asks_for_help(text, *count)) {
        a->help = true;
        return 0;
    }
    if (strcmp(text, "--version") == 0) {
        a->version = true;
        return 0;
    }
    if (strncmp(text, "--", 2) == 0)
        return parse_option(a, argc, argv, i, e);
    if (text[0] == '-' && text[1] != '\0')
        return err_set(e, ERR_USAGE, "unknown option \"%s\"", text);
    words[(*count)++] = text;
    return 0;
}

int
arguments_parse(struct arguments *a, int argc, char *const *argv, struct err *e)
{
    const char **words = alloc_zeroed(WORDS_MAX, sizeof(*words));
    size_t count = 0, used = 0;
    bool only_words = false;
    int r = -1;

    *a =
        (struct arguments){ .globals = json_object(), .values = json_object() };
    for (int i = 0; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            continue;
        }
        if (count == WORDS_MAX) {
            err_set(e, ERR_USAGE, "too many words");
            goto out;
        }
        if (only_words)
            words[count++] = argv[i];
        else if (take_argument(a, argc, argv, &i, words, &count, e) != 0)
            goto out;
        if (a->command == NULL && count > 0 &&
            find_command(a, words, count, &used, e) != 0)
            goto out;
    }
    if (a->command != NULL && take_words(a, words + used, count - used, e) != 0)
        goto out;
    if (a->command == NULL && a->noun != NULL && !a->help) {
        err_set(e, ERR_USAGE, "\"%s\" needs a verb", a->noun);
        goto out;
    }
    r = 0;
out:
    free(words);
    return r;
}

void
arguments_release(struct arguments *a)
{
    secret_wipe_members(a->values);
    json_decref(a->globals);
    json_decref(a->values);
    *a = (struct arguments)ARGUMENTS_INIT;
}
