"""What differs between the answers of two servers to one question."""

import dataclasses

import dnsmsg

EDE = 15  # option code of an extended error (RFC 8914)


def section(records):
    """Records without TTL, with how often each occurs (a set; twice the same is a difference)."""
    return sorted(record.key() for record in records)


def shown(records):
    """Records as text for a failure's line."""
    return "; ".join(f"{r.name} {r.ttl} {r.type} {r.rdata.hex()[:60]}" for r in sorted(records, key=lambda r: r.key())[:8]) or "none"


def ttls(mine, its, slack):
    """The first record of two equal sections, each a (list, moment), that expires at different times, as a line of text; else None."""
    for r, s in zip(sorted(mine[0], key=lambda r: r.key()), sorted(its[0], key=lambda r: r.key())):
        if s.ttl is None:  # any will do
            continue
        if abs((r.ttl + mine[1]) - (s.ttl + its[1])) > slack and (r.ttl, s.ttl) != (0, 0):
            return f"TTL {r.ttl}, unbound {s.ttl}: {r.name} {r.type}"
    return None


def differences(got, want, slack):
    """What differs between two (Message, moment), as lines of text."""
    (a, mine_at), (b, its_at) = got, want
    out = [f"{what}: {x}, unbound {y}" for what, x, y in (
        ("rcode", dnsmsg.rcode_name(a.rcode), dnsmsg.rcode_name(b.rcode)), ("flags", a.flag_names(), b.flag_names()),
        ("question", a.question, b.question), ("OPT", a.edns, b.edns)) if x != y]
    if a.flags & b.flags & dnsmsg.TC:
        return out  # which records still fit is no promise
    for what in ("answer", "authority", "additional"):
        x, y = getattr(a, what), getattr(b, what)
        if section(x) != section(y):
            out.append(f"{what}: {shown(x)}\n       unbound: {shown(y)}")
        elif line := ttls((x, mine_at), (y, its_at), slack):
            out.append(line)
    return out


def errors(message):
    """The codes of a message's extended errors."""
    return sorted(int.from_bytes(value[:2], "big") for code, value in message.edns.options if code == EDE) if message.edns else []


def wordless(message):
    """A message whose extended errors have no words: those are each server's own."""
    if not message.edns:
        return message
    options = [(code, value[:2] if code == EDE else value) for code, value in message.edns.options]
    return dataclasses.replace(message, edns=dataclasses.replace(message.edns, options=sorted(options)))


def judge(question, got, want, slack, allowed, seen=lambda message: message):
    """What differs between two replies (bytes or None, moment), and the row of `allowed` that explains it if one does.

    A row: its name, what makes of Unbound's message what ours has to be then, why. Several may come together. `seen`: what is
    looked at of a message.
    """
    if got[0] is None or want[0] is None:
        return ([] if got[0] is want[0] else ["no reply" if got[0] is None else "a reply, and none of unbound"]), None
    mine, its = seen(dnsmsg.parse(got[0])), seen(dnsmsg.parse(want[0]))
    found = differences((mine, got[1]), (its, want[1]), slack)
    if found:
        for name, explain, _ in allowed:
            its = explain(question, mine, its)
            if not differences((mine, got[1]), (its, want[1]), slack):
                return [], name
    return found, None
