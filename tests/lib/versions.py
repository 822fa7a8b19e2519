"""Where Debian's Unbound 1.17.1 and today's Unbound differ, so that the tests ask for neither's history.

A FORMERR for a broken OPT record carries an OPT record in 1.17.1 and none in newer versions (there `error_encode` finds
no room in an advertised size of zero).

Unbound 1.17.1 refuses a message it cannot use by sending all of it back with QR and the rcode set. Newer versions
(`query_error` in their worker) send a header with only RD kept, and the question when it was readable.

A CNAME made from the wildcard CNAME of a redirect zone has a TTL of 0 in 1.17.1. Newer versions (`local_data_answer`)
give it the TTL of the record it is made from.

A question for DS goes to the zone above in 1.17.1, whatever the type of the zone that starts there. Newer versions
(`local_zones_lookup`) refuse it when that zone is always_refuse.

resolver.arpa and service.arpa are no built-in zones in 1.17.1; in 1.26 they are.
"""

import struct

import dnsmsg

CNAME, DS = dnsmsg.TYPES["CNAME"], dnsmsg.TYPES["DS"]


def is_echo(query, reply):
    """Is the reply an error that carries the query as it came?"""
    return len(reply) >= 12 and reply[4:] == query[4:] and reply[3] & 0xF != 0


def newer_forms(query, reply):
    """What newer versions send instead of this echo."""
    head = reply[:2] + struct.pack("!H", dnsmsg.QR | struct.unpack("!H", query[2:4])[0] & dnsmsg.RD | reply[3] & 0xF)
    yield head + bytes(8)
    try:
        end = dnsmsg.name_from_wire(query, 12)[1] + 4
        yield head + struct.pack("!4H", 1, 0, 0, 0) + query[12:end]
    except dnsmsg.BadMessage:
        return


def same_error(query, mine, its):
    """Is `mine` the newer form of the error `its`?"""
    if is_echo(query, its) and mine in newer_forms(query, its):
        return True
    without_opt = its[:11] + b"\0" + its[12:-11]
    return its[3] & 0xF == 1 and its[-11:-8] == b"\0\0\x29" and its[11:12] == b"\1" and mine == without_opt


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
