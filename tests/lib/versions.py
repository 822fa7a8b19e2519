"""Where Debian's Unbound 1.17.1 and today's Unbound differ, so that the tests ask for neither's history.

A FORMERR for a broken OPT record carries an OPT record in 1.17.1 and none in newer versions (there `error_encode` finds
no room in an advertised size of zero).

Unbound 1.17.1 refuses a message it cannot use by sending all of it back with QR and the rcode set. Newer versions
(`query_error` in their worker) send a header with only RD kept, and in some places the question. runbound sends the
question and, when the query had it, OPT (RFC 6891 section 6.1.1), both as far as they can be read, and says of recursion
something only where there is a question: `error_form`.

A CNAME made from the wildcard CNAME of a redirect zone has a TTL of 0 in 1.17.1. Newer versions (`local_data_answer`)
give it the TTL of the record it is made from.

A question for DS goes to the zone above in 1.17.1, whatever the type of the zone that starts there. Newer versions
(`local_zones_lookup`) refuse it when that zone is always_refuse.

resolver.arpa and service.arpa are no built-in zones in 1.17.1; in 1.26 they are.

Who asks with CD is told by 1.26, where `ede: yes`, that nothing was validated: EDE 5, DNSSEC Indeterminate (RFC 8914).
Neither 1.17.1 nor runbound, which validates for nobody, says so.
"""

import dataclasses
import struct

import dnsmsg

CNAME, DS = dnsmsg.TYPES["CNAME"], dnsmsg.TYPES["DS"]


def is_echo(query, reply):
    """Is the reply an error that carries the query as it came?"""
    return len(reply) >= 12 and reply[4:] == query[4:] and reply[3] & 0xF != 0


def is_bare(query, reply):
    """Is the reply an error of newer versions: a header with RD and the rcode, with the question behind it or nothing?"""
    if len(reply) < 12 or reply[3] & 0xF == 0:
        return False
    flags, = struct.unpack("!H", query[2:4])
    header = reply[:2] + struct.pack("!H", dnsmsg.QR | flags & dnsmsg.RD | reply[3] & 0xF)
    question = readable_question(query)
    bodies = [bytes(8), b"\0\1" + bytes(6) + question] if question else [bytes(8)]
    return reply[:4] == header and reply[4:] in bodies


PASSED_OVER = 8  # questions and records before the OPT record that are read


def skip_name(message, at, pointers):
    """Octet after the name at `at`; BadMessage when it is malformed, or compressed without `pointers`."""
    begin = at
    while True:
        if at >= len(message):
            raise dnsmsg.BadMessage("cut off")
        length = message[at]
        if length >= 0xC0 and pointers and at + 1 < len(message):
            return at + 2
        if length > 63 or at + 1 + length - begin > 255:
            raise dnsmsg.BadMessage("a label that is none")
        at += 1 + length
        if length == 0:
            return at


def find_opt(query):
    """The flags of the first well-formed OPT record of the additional section; BadMessage when there is none to be read."""
    questions, *counts = struct.unpack("!4H", query[4:12])
    before = counts[0] + counts[1]
    at = 12
    if questions + before > PASSED_OVER:
        raise dnsmsg.BadMessage("too far behind")
    for _ in range(questions):
        at = skip_name(query, at, True) + 4
    for number in range(min(sum(counts), PASSED_OVER)):
        fixed = skip_name(query, at, True)
        if fixed + 10 > len(query):
            raise dnsmsg.BadMessage("cut off")
        kind, _, _, flags, length = struct.unpack("!HHHHH", query[fixed:fixed + 10])
        if fixed + 10 + length > len(query):
            raise dnsmsg.BadMessage("cut off")
        if number >= before and kind == dnsmsg.TYPES["OPT"] and query[at] == 0:
            return flags
        at = fixed + 10 + length
    raise dnsmsg.BadMessage("no OPT")


def readable_question(query):
    """The question of a query that has one and no more; nothing when it cannot be read."""
    try:
        end = skip_name(query, 12, False) + 4
    except dnsmsg.BadMessage:
        return b""
    return query[12:end] if query[4:6] == b"\0\1" and end <= len(query) else b""


def error_form(query, reply):
    """The error reply that runbound sends where this one, of the same ID and rcode, is Unbound's."""
    flags, = struct.unpack("!H", query[2:4])
    out = readable_question(query)
    counts = [1 if out else 0, 0]
    try:
        out += b"\0" + struct.pack("!HHHHH", dnsmsg.TYPES["OPT"], 1232, 0, find_opt(query) & 0x8000, 0)
        counts[1] = 1
    except dnsmsg.BadMessage:
        pass
    kept = flags & (0x7800 | dnsmsg.RD | dnsmsg.CD) | (dnsmsg.RA if counts[0] else 0)
    return reply[:2] + struct.pack("!5H", dnsmsg.QR | kept | reply[3] & 0xF, counts[0], 0, 0, counts[1]) + out


def same_error(query, mine, its):
    """Is `mine` our form of the error `its`?"""
    if (is_echo(query, its) or is_bare(query, its)) and mine == error_form(query, its):
        return True
    without_opt = its[:11] + b"\0" + its[12:-11]
    return its[3] & 0xF == 1 and its[-11:-8] == b"\0\0\x29" and its[11:12] == b"\1" and mine == without_opt


INDETERMINATE = (15, b"\0\5")


def same_opt(query, mine, its):
    """Is `mine` the OPT record `its`, but for what newer versions tell who asks with CD?"""
    if its and query[3] & dnsmsg.CD and INDETERMINATE in its.options:
        its = dataclasses.replace(its, options=[option for option in its.options if option != INDETERMINATE])
    return mine == its


def add_newer_zones(unbound):
    """Gives a running Unbound the built-in zones of newer versions that it lacks."""
    there = unbound.control("list_local_zones").split()
    for zone in ("resolver.arpa.", "service.arpa."):
        if zone not in there:
            for command in (f"local_zone {zone} static", f"local_data {zone} 10800 IN NS localhost.",
                            f"local_data {zone} 10800 IN SOA localhost. nobody.invalid. 1 3600 1200 604800 10800"):
                unbound.control(command)


def is_below(name, zone):
    """Is the name the zone's own, or below it? Both as text with a final dot."""
    return name.lower() == zone or name.lower().endswith("." + zone)


def same_ttl(mine, its, zone, ttl):
    """Is `mine` the newer form of `its`, a CNAME made from the wildcard CNAME of the redirect zone (TTL `ttl`)?"""
    return its.type == CNAME and is_below(its.name, zone) and (mine.ttl, its.ttl) == (ttl, 0)


def same_refusal(mine, its, zone):
    """Is `mine` the newer answer to a question for DS at the apex of this always_refuse zone? `its` went past the zone."""
    if not mine.question or (mine.question[0][0].lower(), mine.question[0][1]) != (zone, DS) or its.flags & dnsmsg.AA:
        return False
    return (dnsmsg.rcode_name(mine.rcode) == "REFUSED" and mine.flags == its.flags | dnsmsg.AA and mine.edns == its.edns
            and mine.question == its.question and not mine.answer + mine.authority + mine.additional)
