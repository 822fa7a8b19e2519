//! Fixes that go into a unit.

/// Commands that add lines to a unit's `[Service]` section and put them in force. Lists are added to, not replaced, and so
/// is what an earlier fix wrote.
pub(super) fn drop_in(unit: &str, name: &str, lines: &str) -> String {
    let folder = format!("/etc/systemd/system/{unit}.d");
    format!(
        "mkdir -p {folder}\nprintf '[Service]\\n{lines}\\n' >> {folder}/{name}.conf\nsystemctl daemon-reload\n\
         systemctl restart {unit}"
    )
}
