//! Single lines from elsewhere than a file, read as a file's are: what the control socket sets.

use super::Diagnostic;
use super::address::ScopedAddress;
use super::model::Config;
use super::options::{self, Clause, OptionSpec};
use super::parser::Parser;
use super::servers::ZoneClause;

/// What one option is read from.
const CLAUSE_AND_DIRECTIVE: usize = 2;

/// What a configuration is with another value of a directive of `server:` or `remote-control:`, or one more where they add up;
/// its row, and what is to be said of the value.
///
/// # Errors
/// The directive is unknown, or the value is none for it: why.
pub fn with_option(
    config: Config,
    name: &str,
    value: &str,
) -> Result<(Config, &'static OptionSpec, Vec<String>), String> {
    let spec = options::of_the_server(name).ok_or("unknown option")?;
    // A value of several words is one word of a file.
    let is_one = spec.args.len() == 1 && !value.contains('"');
    let value = if is_one { format!("\"{value}\"") } else { value.to_owned() };
    let before = config.files.clone();
    let mut parser = Parser::over(config);
    parser.read_bytes("set_option", format!("{}:\n{name}: {value}\n", spec.clause.word()).as_bytes());
    if let Some(error) = parser.errors.first() {
        return Err(error.message.clone());
    }
    if parser.statements != CLAUSE_AND_DIRECTIVE {
        return Err(format!("{name}: its value has another directive behind it; set one at a time"));
    }
    parser.config.files = before;
    let said = parser.warnings.iter().map(|warning| warning.message.clone()).collect();
    Ok((parser.config, spec, said))
}

/// A `forward-zone:` or `stub-zone:` clause with these servers, addresses or names, each as the directive has it. Its name is
/// still to be set.
///
/// # Errors
/// A server is malformed: which.
pub fn zone_clause(clause: Clause, servers: &[&str]) -> Result<(ZoneClause, Vec<String>), String> {
    let (word, prefix) = if clause == Clause::StubZone { ("stub-zone", "stub") } else { ("forward-zone", "forward") };
    let mut text = format!("{word}:\nname: .\n");
    for server in servers {
        if server.starts_with('#') || server.contains(['"', '\'']) {
            return Err(format!("cannot parse '{server}'"));
        }
        let host = server.split(['@', '#']).next().unwrap_or_default();
        let directive = if ScopedAddress::parse(host).is_some() { "addr" } else { "host" };
        text.push_str(&format!("{prefix}-{directive}: {server}\n"));
    }
    let mut parser = Parser::without_files();
    parser.read_bytes("control", text.as_bytes());
    if let Some(error) = parser.errors.first() {
        return Err(format!("cannot parse: {}", error.message));
    }
    let said = parser.warnings.iter().map(|warning: &Diagnostic| warning.message.clone()).collect();
    let zones =
        if clause == Clause::StubZone { &mut parser.config.stub_zones } else { &mut parser.config.forward_zones };
    zones.pop().map(|zone| (zone, said)).ok_or_else(|| "no zone".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_read_as_a_line_of_a_file() {
        let set = |name, value| with_option(Config::default(), name, value).map(|(config, ..)| config);
        assert_eq!(set("cache-max-ttl", "77").unwrap().caches.max_ttl, 77);
        assert_eq!(set("target-fetch-policy", "1 2").unwrap().iteration.fetch_policy, [1, 2]);
        let private = set("private-address", "10.0.0.0/8").unwrap();
        assert_eq!((private.private_addresses.len(), private.files.iter().count()), (1, 0));
        assert_eq!(set("no-such", "1").unwrap_err(), "unknown option");
        assert!(set("prefetch", "maybe").unwrap_err().contains("yes or no"));
        assert!(set("prefetch", "yes\nport: 1").is_err() || set("prefetch", "yes\nport: 1").unwrap().port == 53);
        for more in ["\"yes\" port: 1", "yes port: 1"] {
            assert!(set("prefetch", more).is_err(), "{more}");
        }
        assert!(set("access-control", "10.0.0.0/8 allow port: 1").is_err(), "one directive and no more");
        assert_eq!(set("access-control", "10.0.0.0/8 allow").unwrap().access_control.len(), 1);
        let (.., said) = with_option(Config::default(), "send-client-subnet", "10.0.0.0/8").unwrap();
        assert!(said[0].contains("is not supported yet"), "{said:?}");
    }

    #[test]
    fn a_zones_servers_are_addresses_and_names() {
        let servers = ["192.0.2.1", "2001:db8::1@5300", "fe80::1%eth0", "ns.example.net"];
        let (zone, said) = zone_clause(Clause::ForwardZone, &servers).unwrap();
        let asked: Vec<String> = zone.servers.iter().map(|line| format!("{}@{}", line.address, line.port)).collect();
        assert_eq!(asked, ["192.0.2.1@53", "2001:db8::1@5300", "fe80::1%eth0@53"]);
        assert_eq!((zone.hosts[0].0.as_str(), said.len()), ("ns.example.net", 0));
        for bad in ["192.0.2.1@99999", "#x", "a\"b", "a..b"] {
            assert!(zone_clause(Clause::StubZone, &[bad]).is_err(), "{bad}");
        }
    }
}
