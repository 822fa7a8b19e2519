//! The commands about clients: who asks how often, and the secrets of their cookies.

use super::backend::{Backend, CookieChange};
use super::reply::Reply;
use crate::dns::cookie::Secret;

/// Carries out a command, if it is one of these.
pub(super) fn command(word: &str, arguments: &str, backend: &mut dyn Backend, reply: &mut Reply) -> bool {
    match word {
        "ip_ratelimit_list" => {
            let list = backend.list_rates(arguments == "+a", &mut |line| reply.line(format_args!("{line}")));
            list.unwrap_or_else(|reason| reply.error(&reason));
        }
        "print_cookie_secrets" => {
            let names = ["active : ", "staging: "];
            for (name, secret) in names.iter().zip(backend.cookie_secrets()) {
                reply.line(format_args!("{name}{}", secret.to_hex()));
            }
        }
        "add_cookie_secret" => {
            let added = secret_of(arguments).and_then(|secret| backend.change_secrets(CookieChange::Add(secret)));
            reply.result(added);
        }
        "activate_cookie_secret" => reply.result(backend.change_secrets(CookieChange::Activate)),
        "drop_cookie_secret" => reply.result(backend.change_secrets(CookieChange::Drop)),
        _ => return false,
    }
    true
}

/// What is wrong with it is said without what it is.
fn secret_of(text: &str) -> Result<Secret, String> {
    if text.is_empty() {
        return Err(": missing argument (cookie_secret)".to_owned());
    }
    Secret::from_hex(text)
        .ok_or_else(|| ": invalid cookie secret, please provide a 128bit hex encoded secret (32 digits)".to_owned())
}

/// A command as it may be logged.
pub(super) fn without_secrets(line: &str) -> &str {
    const ADD: &str = "add_cookie_secret";
    let start = line.len() - line.trim_start().len();
    if line[start..].starts_with(ADD) { &line[..start + ADD.len()] } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_logged() {
        let secret = "000102030405060708090a0b0c0d0e0f";
        for line in [format!("add_cookie_secret {secret}"), format!("  add_cookie_secret\t{secret}")] {
            assert!(!without_secrets(&line).contains("0001"), "{line}");
            assert!(without_secrets(&line).ends_with("add_cookie_secret"));
        }
        assert_eq!(without_secrets(" stats x"), " stats x");
        let told = secret_of("0001020304050607zz").unwrap_err();
        assert!(!told.contains("0001"), "{told}");
    }
}
