//! `server:` directives about caches.

use super::*;

const NO_LOCKS: &str = "the cache has one owner and no locks to spread";
const EXPIRED: &str = "an expired answer is asked anew";

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::Server,
    [
        honoured("msg-cache-size", BYTES, is("4m"), plain!(number msg_cache_size), RESTART),
        honoured("cache-min-ttl", COUNT, is("0"), plain!(number cache_min_ttl), RESTART),
        honoured("cache-max-ttl", COUNT, is("86400"), plain!(number cache_max_ttl), RESTART),
        honoured("cache-min-negative-ttl", COUNT, is("0"), plain!(number cache_min_negative_ttl), RESTART),
        honoured("cache-max-negative-ttl", COUNT, is("3600"), plain!(number cache_max_negative_ttl), RESTART),
        inert("msg-cache-slabs", SLABS, "4", NO_LOCKS),
        changes_nothing("rrset-cache-size", BYTES, "4m", "whole answers are cached, in msg-cache-size"),
        inert("rrset-cache-slabs", SLABS, "4", NO_LOCKS),
        inert("msg-buffer-size", &[Kind::Number(4096, i32::MAX as i64)], "65552", "messages of every size are taken"),
        honoured("prefetch", YES_NO, is("no"), plain!(flag prefetch), RELOAD),
        changes_nothing("prefetch-key", YES_NO, "no", "no DNSKEY is fetched"),
        not_yet("serve-expired", YES_NO, "no", EXPIRED, &["no"]),
        inert("serve-expired-ttl", COUNT, "0", EXPIRED),
        inert("serve-expired-ttl-reset", YES_NO, "no", EXPIRED),
        inert("serve-expired-reply-ttl", COUNT, "30", EXPIRED),
        inert("serve-expired-client-timeout", COUNT, "0", EXPIRED),
        not_yet("serve-original-ttl", YES_NO, "no", "TTLs of cached answers count down", &["no"]),
        changes_nothing("infra-host-ttl", COUNT, "900", "no table of servers is kept beyond the forwarders in use"),
        inert("infra-lame-ttl", TEXT, "none", "Unbound ignores it too"),
        inert("infra-cache-slabs", SLABS, "4", NO_LOCKS),
        inert("infra-cache-numhosts", AT_LEAST_1, "10000", "no table of servers is kept beyond the forwarders in use"),
        inert("infra-cache-lame-size", TEXT, "none", "Unbound ignores it too"),
        changes_nothing("infra-cache-min-rtt", COUNT, "50", "time-outs of forwarders adapt by themselves"),
        changes_nothing("infra-cache-max-rtt", COUNT, "120000", "time-outs of forwarders adapt by themselves"),
        changes_nothing("infra-keep-probing", YES_NO, "no", "a forwarder that failed is asked again by itself"),
        inert("key-cache-size", BYTES, "4m", "there is no validation"),
        inert("key-cache-slabs", SLABS, "4", NO_LOCKS),
        inert("neg-cache-size", BYTES, "1m", "there is no validation and so no use of NSEC records"),
        inert("aggressive-nsec", YES_NO, "yes", "there is no validation; every name is asked"),
        not_yet("ratelimit", COUNT, "0", "questions to upstream are not limited by zone", &["0"]),
        inert("ratelimit-factor", COUNT, "10", "means nothing without ratelimit"),
        inert("ratelimit-backoff", YES_NO, "no", "means nothing without ratelimit"),
        inert("ratelimit-size", BYTES, "4m", "means nothing without ratelimit"),
        inert("ratelimit-slabs", SLABS, "4", NO_LOCKS),
        not_yet(
            "ratelimit-for-domain",
            &[Kind::Name, NUMBER],
            "none",
            "questions to upstream are not limited by zone",
            &[],
        ),
        not_yet(
            "ratelimit-below-domain",
            &[Kind::Name, NUMBER],
            "none",
            "questions to upstream are not limited by zone",
            &[],
        ),
        honoured("iter-scrub-ns", COUNT, is("20"), plain!(number iteration.scrub_ns), RESTART),
        changes_nothing(
            "iter-scrub-cname",
            COUNT,
            "11",
            "eleven aliases of a reply are followed, then the next is asked for",
        ),
        changes_nothing("iter-scrub-rrsig", COUNT, "8", "of the signatures over an RRset the first eight are told on")
            .since("1.25"),
        honoured("iter-scrub-promiscuous", YES_NO, is("yes"), plain!(flag iter_scrub_promiscuous), RELOAD)
            .since("1.24.1")
            .note("NS records that no question was for are taken out of servers' replies: beside an answer or an error, or of \
                   the zone asked itself"),
        honoured("max-global-quota", COUNT, is("200"), plain!(number iteration.global_quota), RESTART),
    ],
);
