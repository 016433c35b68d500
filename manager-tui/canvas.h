/*
 * What is to be seen, as cells of characters and styles: views draw here,
 * terminal.c shows it, --plain prints it, tests read it.  Every text that is
 * put is made safe (base/escape.h) and measured on its way, whoever it is from.
 *
 *     canvas_resize(&c, 24, 80);
 *     struct area a = canvas_area(&c);
 *     area_put(a, 0, 0, STYLE_TITLE, "Servers");
 */
#ifndef MANAGER_TUI_CANVAS_H
#define MANAGER_TUI_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a text is, not how it looks: terminal.c chooses colours. */
enum style {
    STYLE_PLAIN,
    STYLE_DIM,    /* less important: labels, columns' titles */
    STYLE_STRONG, /* more important */
    STYLE_TITLE,  /* the bar above, the tabs */
    STYLE_TAB,    /* the tab that is open */
    STYLE_BAR,    /* what a key on the bottom line does */
    STYLE_GOOD,
    STYLE_WARN,
    STYLE_BAD,
    STYLE_BANNER, /* a whole line that must be seen */
    STYLE_FIELD,  /* where something can be typed */
    STYLE_COUNT
};

/* Together with a style: the row under the cursor. */
#define STYLE_SELECTED 0x80

#define CELL_BYTES 20 /* a character with what combines with it, and a NUL */

struct cell {
    char text[CELL_BYTES];
    uint8_t style;
    uint8_t width; /* 0: covered by the wide character to the left */
};

struct canvas {
    struct cell *cells; /* height * width */
    int height;
    int width;
    int cursor_y; /* where the terminal's cursor stands; -1: hidden */
    int cursor_x;
    bool ascii; /* the terminal cannot show more */
};

/* A rectangle of a canvas; what is put outside of it is cut. */
struct area {
    struct canvas *canvas;
    int y, x, height, width;
};

/* Gives it that size, blank. */
void canvas_resize(struct canvas *c, int height, int width);
void canvas_clear(struct canvas *c);
void canvas_release(struct canvas *c);
struct area canvas_area(struct canvas *c);
/* The rows up to the last that is not blank, without trailing blanks. */
void canvas_print(const struct canvas *c, FILE *out);

/* The part of an area from Y, X; cut to what is there. */
struct area area_part(struct area a, int y, int x, int height, int width);
/* Puts TEXT; returns the columns that it took (cut at the area's edge). */
int area_put(struct area a, int y, int x, int style, const char *text);
int area_putf(struct area a, int y, int x, int style, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* At most WIDTH columns, the last being "~" when something was cut. */
int area_put_cut(struct area a, int y, int x, int width, int style,
    const char *text);
/* Broken at blanks into the area's width, from row Y; the rows it took. */
int area_put_wrapped(struct area a, int y, int x, int style, const char *text);
/* Gives a row that style from its beginning to its end, blank. */
void area_fill(struct area a, int y, int style);
/* A frame around the area with TITLE; the area inside, cleared. */
struct area area_frame(struct area a, const char *title);
/* Puts the terminal's cursor there. */
void area_cursor(struct area a, int y, int x);

/* TEXT as it can be shown: without anything that drives a terminal, every
 * character with a width of its own, ASCII alone if asked for.  Fresh. */
char *screen_text(const char *text, bool ascii);

#endif
