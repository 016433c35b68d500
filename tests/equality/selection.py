"""Parts of a random database that are not replicated, and contents without
them."""


def lower(name):
    return "".join(c.lower() if c < "\x80" else c for c in name)


def quote(name):
    return '"%s"' % name.replace('"', '""')


class Selection:
    """Nothing is left out until choose() finds something that may be."""

    def __init__(self):
        self.excluded, self.protected = set(), {}

    def choose(self, db, random):
        names = [n for n, in db.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type"
            " = 'table' AND name NOT LIKE 'sqlite%'") if n.isprintable()]
        random.r.shuffle(names)
        if len(names) > 1 and random.chance(0.5):
            self.excluded.add(lower(names.pop()))
        for name in names[:2]:
            columns = self.columns(db, name)
            if len(columns) > 1:
                self.protected[lower(name)] = {lower(random.one(columns))}

    @staticmethod
    def columns(db, name):
        """Those that no key, unique index or generated column is over."""
        info = db.execute("SELECT name, pk, hidden FROM pragma_table_xinfo(?)",
                          (name,)).fetchall()
        if any(hidden for _, _, hidden in info):
            return []
        taken = set()
        for index, partial in db.execute(
                "SELECT name, partial FROM pragma_index_list(?)"
                " WHERE \"unique\"", (name,)).fetchall():
            terms = [n for n, in db.execute(
                "SELECT name FROM pragma_index_xinfo(?) WHERE key", (index,))]
            if partial or None in terms:
                return []
            taken.update(terms)
        return [n for n, pk, _ in info
                if not pk and n not in taken and n.isprintable()]

    def text(self):
        lines = []
        for table in sorted(self.excluded | self.protected.keys(),
                            key=lambda n: n.encode()):
            if table in self.excluded:
                lines.append("exclude %s\n" % quote(table))
            for column in self.protected.get(table, ()):
                lines.append("protect %s.%s\n" % (quote(table), quote(column)))
        return "".join(lines)

    def strip(self, contents, db):
        """Takes out of CONTENTS, of a database with DB's schema, what is not
        replicated."""
        for kind, name, table in db.execute(
                "SELECT type, name, tbl_name FROM sqlite_schema").fetchall():
            if lower(table) in self.excluded:
                contents.objects.pop((kind, name), None)
                contents.tables.pop(name, None)
        for special in "sqlite_sequence", "sqlite_stat1":
            contents.specials[special] = [
                row for row in contents.specials[special]
                if not isinstance(row[0], bytes) or
                lower(row[0].decode()) not in self.excluded]
        for name, rows in contents.tables.items():
            hidden = self.protected.get(lower(name))
            if not hidden:
                continue
            keep = [lower(c) not in hidden and kind == 0 for c, kind in
                    db.execute("SELECT name, hidden FROM pragma_table_xinfo(?)"
                               " WHERE hidden IN (0, 2, 3)", (name,))]
            for key, values in rows.items():
                rows[key] = tuple(v for v, k in zip(values, keep) if k)
