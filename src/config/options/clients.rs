//! `server:` directives that limit clients, and about their cookies.

use super::*;
use crate::config::client_limits::ClientLimits;
use crate::dns::cookie::Secret;
use crate::whole_file;
use std::io;
use std::path::Path;

const NETBLOCK_AND_LIMIT: &[Kind] = &[Kind::Netblock, Kind::Number(-1, i32::MAX as i64)];
/// Octets of a file of secrets, at most.
const LONGEST_FILE: u64 = 4096;

/// A list of netblocks, each with its limit.
macro_rules! blocks {
    ($list:ident) => {
        list(
            |config, args| add_block(&mut config.clients.$list, args),
            |config, emit| show_blocks(&config.clients.$list, emit),
        )
    };
}

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::Server,
    [
        honoured("sock-queue-timeout", COUNT, is("0"), plain!(number clients.queue_timeout), RESTART).note(
            "of kernel UDP sockets; a frame of AF_XDP tells no time, and a queue of these holds no more than a moment's",
        ),
        honoured("ip-ratelimit", COUNT, is("0"), plain!(number clients.rate), RELOAD)
            .note("the same over AF_XDP, UDP and TCP; what gets no answer for it is counted in num.queries_ip_ratelimited"),
        honoured("ip-ratelimit-cookie", COUNT, is("0"), plain!(number clients.rate_cookie), RELOAD)
            .note("counts without ip-ratelimit too; with answer-cookie alone are there valid cookies"),
        honoured("ip-ratelimit-factor", COUNT, is("10"), plain!(number clients.rate_factor), RELOAD),
        honoured("ip-ratelimit-backoff", YES_NO, is("no"), plain!(flag clients.rate_backoff), RELOAD),
        honoured("ip-ratelimit-size", BYTES, is("4m"), field(set_size, |config, emit| emit(&config.clients.size.to_string())), RESTART)
            .note("holds what wait-limit counts, too; some 26,000 clients a megabyte, of which the quietest give way"),
        inert("ip-ratelimit-slabs", SLABS, "4", "the table has one owner and no locks to spread"),
        honoured("discard-timeout", COUNT, is("1900"), plain!(number clients.discard_timeout), RELOAD)
            .note("who waited for longer gets no answer, which the cache has all the same; counted in num.queries_discard_timeout"),
        honoured("wait-limit", COUNT, is("1000"), plain!(number clients.wait), RELOAD)
            .note("0 for any number, whatever the other lines say; queries beyond get no answer and are counted in num.queries_wait_limit"),
        honoured("wait-limit-cookie", COUNT, is("10000"), plain!(number clients.wait_cookie), RELOAD),
        honoured(
            "wait-limit-netblock",
            NETBLOCK_AND_LIMIT,
            words("-1, no limit, for 127.0.0.0/8 and ::1"),
            blocks!(wait_blocks),
            RELOAD,
        ),
        honoured(
            "wait-limit-cookie-netblock",
            NETBLOCK_AND_LIMIT,
            words("-1, no limit, for 127.0.0.0/8 and ::1"),
            blocks!(wait_cookie_blocks),
            RELOAD,
        ),
        honoured("answer-cookie", YES_NO, is("no"), plain!(flag clients.answer_cookie), RELOAD),
        honoured("cookie-secret", &[Kind::Secret], words("random, the same until a restart"), SECRET, RELOAD)
            .note("get_option does not show it: print_cookie_secrets does"),
        honoured("cookie-secret-file", PATH, words("none"), SECRET_FILE, RELOAD)
            .note("one secret a line, the active one first, then the staging one; without the file cookie-secret counts"),
    ],
);

const SECRET: Field = Field {
    set: |config, args| {
        config.clients.cookie_secret = Secret::from_hex(args.text(0));
        Ok(())
    },
    show: Show::Command("print_cookie_secrets"),
    adds_up: false,
};

const SECRET_FILE: Field =
    field(set_secret_file, |config, emit| emit(&config.clients.cookie_secret_file.to_string_lossy()));

fn set_size(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    config.clients.size = args.number(0);
    Ok(())
}

fn add_block(list: &mut Vec<(Netblock, i32)>, args: &mut Args<'_>) -> Result<(), String> {
    list.extend(args.netblock(0).map(|block| (block, args.number(1))));
    Ok(())
}

fn show_blocks(list: &[(Netblock, i32)], emit: &mut dyn FnMut(&str)) {
    list.iter().for_each(|(block, limit)| emit(&format!("{block} {limit}")));
}

/// Reads the file, where files are looked at.
fn set_secret_file(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let file = args.text(0);
    config.clients =
        ClientLimits { cookie_secret_file: file.into(), cookie_secrets: Vec::new(), ..config.clients.clone() };
    if let (Some(place), false) = (args.place, file.is_empty()) {
        let path = place.resolve(file);
        config.clients.cookie_secrets = secrets_in(&path)?;
        config.clients.cookie_secret_file = path;
    }
    Ok(())
}

/// No secrets where there is no file. What is wrong is said without a word of what stands there.
fn secrets_in(path: &Path) -> Result<Vec<Secret>, String> {
    let text = match whole_file::read_text(path, LONGEST_FILE) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(format!("{}: {cause}", path.display())),
    };
    let mut secrets = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = format!("{}:{}", path.display(), number + 1);
        secrets.push(Secret::from_hex(line.trim()).ok_or_else(|| format!("{at}: a secret is 32 hexadecimal digits"))?);
        if secrets.len() > 2 {
            return Err(format!("{at}: there are two secrets at most, an active and a staging one"));
        }
    }
    Ok(secrets)
}
