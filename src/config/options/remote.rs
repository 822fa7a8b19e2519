//! Directives of `remote-control:`.

use super::*;

const UNIX: &str = "a unix socket has no use for certificates";

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::RemoteControl,
    [
        honoured("control-enable", YES_NO, is("no"), plain!(flag remote_control.enable), RESTART),
        honoured(
            "control-interface",
            PATH,
            words("none; a path of a unix socket"),
            list(add_control, show_controls),
            RESTART,
        ),
        inert("control-use-cert", YES_NO, "yes", UNIX),
        inert("control-port", REAL_PORT, "8953", "is for control over IP, of which control-interface warns"),
        inert("server-key-file", PATH, "none", UNIX),
        inert("server-cert-file", PATH, "none", UNIX),
        inert("control-key-file", PATH, "none", UNIX),
        inert("control-cert-file", PATH, "none", UNIX),
    ],
);

fn add_control(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let path = args.text(0);
    if path.starts_with('/') {
        config.remote_control.sockets.push((path.into(), args.at));
    } else {
        args.warning = Some(format!(
            "control-interface: {path:?} is an IP address or name, and control over IP is not supported yet; it is left out, give the path of a unix socket"
        ));
    }
    Ok(())
}

fn show_controls(config: &Config, emit: &mut dyn FnMut(&str)) {
    config.remote_control.sockets.iter().for_each(|(path, _)| emit(&path.to_string_lossy()));
}
