//! `server:` directives about caches.

use super::*;
use crate::dns::name_text;

const NO_LOCKS: &str = "the cache has one owner and no locks to spread";

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::Server,
    [
        honoured("msg-cache-size", BYTES, is("4m"), plain!(number caches.messages), RESTART).note(
            "three quarters hold answers ready to be sent, at the worker; one quarter is for the messages of the resolver's \
             cache, which are references to the RRsets of rrset-cache-size",
        ),
        honoured("cache-min-ttl", COUNT, is("0"), plain!(number caches.min_ttl), RELOAD),
        honoured("cache-max-ttl", COUNT, is("86400"), plain!(number caches.max_ttl), RELOAD),
        honoured("cache-min-negative-ttl", COUNT, is("0"), plain!(number caches.min_negative_ttl), RELOAD),
        honoured("cache-max-negative-ttl", COUNT, is("3600"), plain!(number caches.max_negative_ttl), RELOAD),
        inert("msg-cache-slabs", SLABS, "4", NO_LOCKS),
        honoured("rrset-cache-size", BYTES, is("4m"), plain!(number caches.rrsets), RESTART),
        inert("rrset-cache-slabs", SLABS, "4", NO_LOCKS),
        inert("msg-buffer-size", &[Kind::Number(4096, i32::MAX as i64)], "65552", "messages of every size are taken"),
        honoured("prefetch", YES_NO, is("no"), plain!(flag prefetch), RELOAD),
        honoured("prefetch-key", YES_NO, is("no"), plain!(flag validation.prefetches_keys), RELOAD),
        honoured("serve-expired", YES_NO, is("no"), plain!(flag expired.serve), RELOAD),
        honoured("serve-expired-ttl", COUNT, is("86400"), plain!(number expired.ttl), RELOAD)
            .note("how long it is kept is for msg-cache-size and rrset-cache-size to say"),
        honoured("serve-expired-ttl-reset", YES_NO, is("no"), plain!(flag expired.reset), RELOAD),
        honoured("serve-expired-reply-ttl", COUNT, is("30"), plain!(number expired.reply_ttl), RELOAD),
        honoured("serve-expired-client-timeout", COUNT, is("1800"), plain!(number expired.client_timeout), RELOAD)
            .note("longer than discard-timeout, it leaves nobody who would be told"),
        honoured("serve-original-ttl", YES_NO, is("no"), plain!(flag caches.original_ttl), RELOAD),
        honoured("infra-host-ttl", COUNT, is("900"), plain!(number servers.host_ttl), RELOAD)
            .note("for how long a server that refuses EDNS or does not serve a zone is not tried with it again; round trip \
                   times follow every answer and are kept as long as the server is"),
        inert("infra-lame-ttl", TEXT, "none", "Unbound ignores it too"),
        inert("infra-cache-slabs", SLABS, "4", NO_LOCKS),
        honoured("infra-cache-numhosts", AT_LEAST_1, is("10000"), plain!(number servers.hosts), RELOAD)
            .note("servers of zones that are asked just now and those of forward-zone and stub-zone clauses come on top"),
        inert("infra-cache-lame-size", TEXT, "none", "Unbound ignores it too"),
        honoured("infra-cache-min-rtt", COUNT, is("50"), plain!(number servers.min_rtt), RELOAD),
        honoured("infra-cache-max-rtt", COUNT, is("120000"), plain!(number servers.max_rtt), RELOAD)
            .note("servers are compared by waits of 12000 at most; one try waits for 3000 at most, and is repeated"),
        changes_nothing("infra-keep-probing", YES_NO, "no", "a server that was silent is asked again by itself"),
        honoured("key-cache-size", BYTES, is("4m"), plain!(number validation.key_cache), RESTART),
        inert("key-cache-slabs", SLABS, "4", NO_LOCKS),
        honoured("neg-cache-size", BYTES, is("1m"), plain!(number validation.negative_cache), RESTART),
        honoured("aggressive-nsec", YES_NO, is("yes"), plain!(flag validation.aggressive), RELOAD),
        honoured("ratelimit", COUNT, is("0"), plain!(number rates.rate), RELOAD),
        honoured("ratelimit-factor", COUNT, is("10"), plain!(number rates.factor), RELOAD),
        honoured("ratelimit-backoff", YES_NO, is("no"), plain!(flag rates.backoff), RELOAD),
        honoured("ratelimit-size", BYTES, is("4m"), plain!(number rates.size), RELOAD),
        inert("ratelimit-slabs", SLABS, "4", NO_LOCKS),
        honoured("ratelimit-for-domain", &[Kind::Name, NUMBER], words("none"), RATE_FOR, RELOAD),
        honoured("ratelimit-below-domain", &[Kind::Name, NUMBER], words("none"), RATE_BELOW, RELOAD),
        honoured("iter-scrub-ns", AT_LEAST_1, is("20"), plain!(number iteration.scrub_ns), RELOAD),
        honoured("iter-scrub-cname", COUNT, is("11"), plain!(number iteration.scrub_cname), RELOAD),
        honoured("iter-scrub-rrsig", COUNT, is("8"), plain!(number iteration.scrub_rrsig), RELOAD).since("1.25"),
        honoured("iter-scrub-promiscuous", YES_NO, is("yes"), plain!(flag iter_scrub_promiscuous), RELOAD)
            .since("1.24.1")
            .note("NS records that no question was for are taken out of servers' replies: beside an answer or an error, or of \
                   the zone asked itself"),
        honoured("max-global-quota", COUNT, is("200"), plain!(number iteration.global_quota), RELOAD),
    ],
);

const RATE_FOR: Field = list(
    |config, args| {
        config.rates.exact.push((args.name.to_vec(), args.number(1)));
        Ok(())
    },
    |config, emit| show_rates(&config.rates.exact, emit),
);
const RATE_BELOW: Field = list(
    |config, args| {
        config.rates.below.push((args.name.to_vec(), args.number(1)));
        Ok(())
    },
    |config, emit| show_rates(&config.rates.below, emit),
);

fn show_rates(rates: &[(Vec<u8>, u32)], emit: &mut dyn FnMut(&str)) {
    for (name, rate) in rates {
        let text = name_text::to_text(name);
        let text = text.strip_suffix('.').filter(|text| !text.is_empty()).unwrap_or(&text);
        emit(&format!("{text} {rate}"));
    }
}
