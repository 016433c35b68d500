#!/usr/bin/python3
"""What a firewall team is given is what the cluster really does."""

import csv
import io
import os
import shutil
import subprocess
import xml.dom.minidom

from lockstep import (ERROR, PORT, ROOT, USAGE, Skipped, check, run, same,
                      scenario)


def check_nft(rules, directory):
    """What nft says of RULES, without applying them."""
    nft = shutil.which("nft") or "/usr/sbin/nft"
    if not os.access(nft, os.X_OK):
        raise Skipped("nft is not installed")
    path = os.path.join(directory, "rules.nft")
    with open(path, "w") as f:
        f.write(rules)
    inside = ["unshare", "--net"]
    if os.geteuid() != 0:
        inside.append("--map-root-user")
    p = subprocess.run([*inside, nft, "-c", "-f", path],
                       stderr=subprocess.PIPE, text=True)
    if "Operation not permitted" in p.stderr:
        raise Skipped("nft may not look at a network here")
    same((p.returncode, p.stderr), (0, ""), "what nft says of\n" + rules)


@scenario
def rules_and_matrix_from_the_live_list(t):
    source = t.addresses.get(7)
    cluster = t.cluster(2, config="[node]\nsource_address = %s\n"
                        "[limits]\nmonitors = 127.0.0.200\n" % source)
    primary, (node, other) = cluster.primary, cluster.secondaries
    primary.cli("ipfilter", "add", "deny", "10.0.0.0/8")
    with t.promise("the matrix: pushes, administration, health, dated"):
        matrix = primary.cli("firewall", "matrix")
        check(matrix["generated"].startswith("20"), matrix)
        flows = matrix["flows"]
        same([(f["from"], f["to"], f["to_name"], f["port"]) for f in flows
              if f["why"] == "push"],
             [(source, n.address, n.name, PORT) for n in (node, other)],
             "pushes")
        administration = {f["from"] for f in flows
                          if f["why"] == "administration"}
        check("192.168.0.0/16" in administration, administration)
        check("10.0.0.0/8" not in administration, "a denied network is there")
        same([f["from"] for f in flows if f["why"] == "health"],
             ["127.0.0.200"], "health")
    with t.promise("as text and as CSV the same"):
        text = primary.run("firewall", "matrix").out
        check(source in text and "generated" in text, text)
        rows = list(csv.DictReader(io.StringIO(primary.run(
            "firewall", "matrix", "--format", "csv").out)))
        same([(r["from"], r["to_name"], r["why"]) for r in rows],
             [(f["from"], f["to_name"], f["why"]) for f in flows], "rows")
        check(all(r["generated"] for r in rows), "a row without a date")
    words = {"nftables": "ip saddr %s tcp dport 14983 accept",
             "iptables": "-p tcp -s %s --dport 14983 -j ACCEPT",
             "ufw": "allow proto tcp from %s to any port 14983",
             "firewalld": 'source address="%s" port port="14983"'}
    for form, wanted in words.items():
        with t.promise("%s lets in the primary alone, on each server" % form):
            found = primary.cli("firewall", "--format", form)["servers"]
            same([(s["name"], s["from"]) for s in found],
                 [(node.name, source), (other.name, source)], "servers")
            for s in found:
                check(wanted % source in s["rules"], s["rules"])
            out = primary.run("firewall", "--format", form).out
            check("# On %s (%s)\n%s" % (node.name, node.address,
                                       found[0]["rules"]) in out, out)
    with t.promise("nft takes its rules"):
        check_nft(primary.run("firewall").out, t.directory)
        check_nft(primary.run("firewall", "--server", node.name).out,
                  t.directory)
    with t.promise("what does not exist is refused"):
        primary.cli("firewall", "--format", "pf", expect=USAGE)
        primary.cli("firewall", "map", expect=USAGE)
        primary.cli("firewall", "--server", "nobody", expect=ERROR)
        node.cli("firewall", expect=7)
    with t.promise("the files for ufw and firewalld name the port"):
        with open(os.path.join(ROOT, "contrib/ufw/lockstep")) as f:
            check("ports=%d/tcp" % PORT in f.read(), "no port")
        service = xml.dom.minidom.parse(
            os.path.join(ROOT, "contrib/firewalld/lockstep.xml"))
        same(service.getElementsByTagName("port")[0].getAttribute("port"),
             str(PORT), "port")


if __name__ == "__main__":
    run()
