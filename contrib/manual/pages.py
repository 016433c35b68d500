#!/usr/bin/python3
"""Makes a manual page.

    pages.py TABLES TEMPLATE > PAGE

TABLES is what contrib/manual/tables printed.  A template that ends in ".md" is
a document of docs/, of which all is taken.  Any other is a page in mdoc(7) with
lines that stand for what the tables have:

    .\\" @options              the global options of lockstep
    .\\" @commands NOUN...     the commands of these nouns
    .\\" @key SECTION NAME     the key, of which the lines that follow tell

Fails if a page leaves out a noun but not all, or a key but not all.
"""

import json
import re
import sys

MACRO = re.compile(r"%?[A-Z][a-z0-9]{0,2}$")


def escape(text):
    return text.replace("\\", "\\e")


def sentence(text):
    """A line of text that is not taken for a macro."""
    text = escape(text[0].upper() + text[1:] if text[0].islower() else text)
    if text[0] in ".'":
        text = "\\&" + text
    return text if text.endswith((".", "?")) else text + "."


def argument(word):
    """A word as the argument of a macro."""
    word = escape(word).replace('"', "\\(dq")
    return "\\&" + word if MACRO.match(word) else word


def value_of(option):
    words = (option["value"] or "").split()
    return " Ar " + " ".join(map(argument, words)) if words else ""


def options(table):
    yield ".Bl -tag -width Ds"
    for option in table:
        yield ".It Fl -%s%s" % (option["name"], value_of(option))
        yield sentence(option["help"])
    yield ".El"


def usage(words):
    """The words of a usage; what is typed as it stands is Cm or Fl."""
    for word in words.split():
        if word.startswith("--"):
            names = word.split("|--")
            yield "Fl -" + names[0][2:]
            for name in names[1:]:
                yield "| Fl -" + name
        elif re.match(r"[a-z]+(\|[a-z]+)+$", word):
            yield "Cm " + argument(word)
        elif re.match(r"[^|]+\|--", word):
            first, other = word.split("|", 1)
            yield "Ar %s | Fl %s" % (argument(first), other[1:])
        else:
            yield "Ar " + argument(word)


def commands(tables, nouns):
    yield ".Bl -tag -width Ds"
    for noun in nouns:
        found = [c for c in tables["commands"] if c["noun"] == noun]
        if not found:
            sys.exit("pages.py: there is no command %r" % noun)
        for c in found:
            words = " ".join(w for w in (noun, c["verb"]) if w)
            yield " ".join([".It Cm", words, *usage(c["usage"])])
            yield sentence(c["help"])
            if c["options"]:
                yield from options(c["options"])
    yield ".El"


def size(number):
    for unit in "TGMK":
        step = 1024 ** ("KMGT".index(unit) + 1)
        if number and number % step == 0:
            return "%d%s" % (number // step, unit)
    return str(number)


def duration(ms):
    for unit, step in ("d", 86400000), ("h", 3600000), ("m", 60000):
        if ms and ms % step == 0:
            return "%d%s" % (ms // step, unit)
    return "%ds" % (ms // 1000)


def limits(key):
    """What may be set, and what is without it."""
    kinds = {"SIZE": size, "DURATION": duration}
    show = kinds.get(key["value"], str)
    if key["most"]:
        yield "From %s to %s." % (show(key["least"]), show(key["most"]))
    if key["default"]:
        yield "The default is"
        yield ".Li %s ." % argument(key["default"])


def from_template(tables, template):
    keys = {(k["section"], k["name"]): k for k in tables["keys"]}
    nouns = {c["noun"] for c in tables["commands"]}
    told, has_keys, pending = set(), False, []
    for line in template:
        what = re.match(r'\.\\" @(\w+) ?(.*)', line)
        if pending and (what or line.startswith((".It", ".El"))):
            yield from pending
            pending = []
        if not what:
            yield line
        elif what[1] == "options":
            yield from options(tables["options"])
        elif what[1] == "commands":
            told.update(what[2].split())
            yield from commands(tables, what[2].split())
        elif what[1] == "key":
            key = keys.pop(tuple(what[2].split()), None)
            if key is None:
                sys.exit("pages.py: no key, or twice: %s" % what[2])
            has_keys = True
            pending = list(limits(key))
            yield ".It Cm %s Li = Ar %s" % (key["name"], " ".join(
                argument(w) for w in key["value"].split()))
        else:
            sys.exit("pages.py: %r is not known" % line)
    if told and nouns - told:
        sys.exit("pages.py: left out: %s" % ", ".join(sorted(nouns - told)))
    if has_keys and keys:
        sys.exit("pages.py: keys left out: %s" % ", ".join(
            "%s.%s" % k for k in sorted(keys)))


HEADER = """\
.Dd January 1, 2026
.Dt LOCKSTEP-PROTOCOL 7
.Os
.Sh NAME
.Nm lockstep-protocol
.Nd what a primary says to a secondary, to the byte
.Sh DESCRIPTION"""

FOOTER = """\
.Sh SEE ALSO
.Xr lockstep 1 ,
.Xr lockstepd 8"""


def inline(text):
    """Markdown within a line."""
    text = escape(text)
    text = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text)
    text = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", text)
    text = re.sub(r"\*\*([^*]+)\*\*", r"\\fB\1\\fR", text)
    text = re.sub(r"(?<![\w*])\*([^* ][^*]*)\*(?!\w)", r"\\fI\1\\fR", text)
    return "\\&" + text if text[:1] in ".'" else text


def inline_lines(text):
    """The same, a new line for each sentence."""
    return map(inline, re.split(r"(?<=[.?!:]) +(?=[A-Z`*])", text))


def blocks(lines):
    """(kind, lines) of headings, code, tables, lists and paragraphs."""
    kinds = ((r"#", "head"), (r"    ", "code"), (r"\|", "table"),
             (r"\d+\. ", "list"))
    block, kind = [], None
    for line in lines + [""]:
        found = next((k for p, k in kinds if re.match(p, line)), "text")
        if kind == "list" and line.startswith("   "):
            found = "list"
        if not line.strip():
            if kind == "code":
                block.append("")
                continue
            found = None
        if found != kind or kind == "head":
            while block and not block[-1]:
                block.pop()
            if block:
                yield kind, block
            block, kind = [], found
        if found:
            block.append(line)


def table(lines):
    rows = [[c.strip() for c in re.split(r"(?<!\\)\|", l)[1:-1]]
            for l in lines]
    titles, rows = rows[0], rows[2:]
    yield ".Bl -tag -width Ds"
    for row in rows:
        yield ".It " + inline(row[0]).replace('"', "\\(dq")
        cells = [cell if len(row) == 2 else "%s: %s" % (title, cell)
                 for title, cell in zip(titles[1:], row[1:]) if cell]
        for i, cell in enumerate(cells):
            if i > 0:
                yield ".br"
            yield from inline_lines(cell)
    yield ".El"


def from_markdown(lines):
    yield HEADER
    first = True
    for kind, block in blocks(lines):
        if kind == "head":
            title = block[0].lstrip("# ")
            first = True
            if block[0].startswith("## "):
                yield ".Sh " + title.upper()
            continue
        if kind == "list" and all("](#" in l for l in block):
            continue
        if kind == "code":
            yield ".Bd -literal -offset indent"
            yield from (("\\&" if l[4:5] in (".", "'") else "") +
                        escape(l[4:]) for l in block)
            yield ".Ed"
        elif kind == "table":
            yield from table(block)
        elif kind == "list":
            yield ".Bl -enum"
            for line in block:
                text = re.sub(r"^\d+\. ", "", line)
                if text != line:
                    yield ".It"
                yield from inline_lines(text.strip())
            yield ".El"
        else:
            if not first:
                yield ".Pp"
            for line in block:
                yield from inline_lines(line)
        first = False
    yield FOOTER


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        tables = json.load(f)
    with open(sys.argv[2], encoding="utf-8") as f:
        lines = f.read().splitlines()
    if sys.argv[2].endswith(".md"):
        page = from_markdown(lines)
    else:
        page = from_template(tables, lines)
    print("\n".join(page))


if __name__ == "__main__":
    main()
