//! cloud-init's user-data, as far as it concerns this appliance: names, files, our configuration.

use super::document::{self, Given, List, NoMore, Notes, document};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use runbound::number;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// A file is not written beyond this size.
const MAX_FILE: u64 = 64 << 20;
/// Keys of cloud-config that have no meaning here: there are no users, no shell and no packages.
const IGNORED: [&str; 14] = [
    "manage_etc_hosts",
    "user",
    "users",
    "password",
    "chpasswd",
    "ssh_authorized_keys",
    "ssh_pwauth",
    "disable_root",
    "package_upgrade",
    "package_update",
    "preserve_hostname",
    "prefer_fqdn_over_hostname",
    "final_message",
    "locale",
];

/// What it asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct UserData {
    /// The host's name.
    pub hostname: Option<String>,
    /// Files for the data partition.
    pub files: Vec<SeedFile>,
    /// Whether anybody is to be asked for the time.
    pub asks_for_time: bool,
    /// Who, by name or address.
    pub time_servers: Vec<String>,
    /// What is not honoured, each with its path.
    pub warnings: Vec<String>,
    /// None of it could be read: what an earlier one said stays.
    pub unread: bool,
}

impl Default for UserData {
    fn default() -> Self {
        let (files, time_servers, warnings) = (Vec::new(), Vec::new(), Vec::new());
        Self { hostname: None, files, asks_for_time: true, time_servers, warnings, unread: false }
    }
}

/// A file that a drive brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedFile {
    /// Below the data folder.
    pub path: PathBuf,
    /// Its content.
    pub content: Vec<u8>,
    /// Its permissions.
    pub mode: u32,
}

document! {
    /// What is read of cloud-config.
    CloudConfig with NoMore {
        hostname: Given<String> = "hostname",
        fqdn: Given<String> = "fqdn",
        files: List<WriteFile> = "write_files",
        ntp: Given<Ntp> = "ntp",
        ours: Given<Ours> = "runbound",
    } ignored IGNORED
}

document! {
    /// A file. There is one user, and nothing is written late.
    WriteFile with NoMore {
        path: Given<String> = "path",
        encoding: Given<String> = "encoding",
        content: Given<String> = "content",
        permissions: Given<String> = "permissions",
        append: Given<bool> = "append",
    } ignored ["owner", "defer"]
}

document! {
    /// Time servers. The client is ours.
    Ntp with NoMore {
        enabled: Given<bool> = "enabled",
        servers: List<String> = "servers",
        pools: List<String> = "pools",
    } ignored ["ntp_client", "config"]
}

document! {
    /// Our own section.
    Ours with NoMore { config: Given<String> = "config", } ignored []
}

/// Reads user-data, which is `#cloud-config`, packed by gzip or not.
pub fn read(data: &[u8]) -> UserData {
    let mut notes = Notes::default();
    let mut user_data = UserData::default();
    match parse(data).map(|value| Given::<CloudConfig>::of(&value)) {
        Ok(given) => {
            given.report("", &mut notes);
            user_data.unread = matches!(given, Given::Wrong(_));
            if let Some(config) = given.get() {
                cloud_config(config, &mut user_data, &mut notes);
            }
        }
        Err(cause) => {
            notes.add("", format!("{cause}; none of it is used"));
            user_data.unread = true;
        }
    }
    user_data.warnings = notes.into_lines();
    user_data
}

fn parse(data: &[u8]) -> Result<serde_json::Value, String> {
    let unpacked = if data.starts_with(&[0x1f, 0x8b]) { gunzip(data)? } else { data.to_vec() };
    let text = String::from_utf8(unpacked).map_err(|_| "is not UTF-8 text")?;
    if text.trim().is_empty() {
        return Ok(serde_json::Value::Null);
    }
    if !text.starts_with("#cloud-config") {
        return Err("does not begin with #cloud-config".into());
    }
    document::parse(&text)
}

fn cloud_config(config: &CloudConfig, user_data: &mut UserData, notes: &mut Notes) {
    user_data.hostname = config.hostname.get().or(config.fqdn.get()).cloned();
    for (path, file) in config.files.entries("write_files") {
        user_data.files.extend(write_file(file, &path, notes));
    }
    if let Some(ntp) = config.ntp.get() {
        user_data.asks_for_time = ntp.enabled.get() != Some(&false);
        user_data.time_servers = ntp.servers.iter().chain(ntp.pools.iter()).cloned().collect();
    }
    if let Some(text) = config.ours.get().and_then(|ours| ours.config.get()) {
        let path = PathBuf::from("unbound.conf");
        user_data.files.retain(|file| file.path != path);
        user_data.files.push(SeedFile { path, content: text.clone().into_bytes(), mode: 0o644 });
    }
}

fn write_file(file: &WriteFile, at: &str, notes: &mut Notes) -> Option<SeedFile> {
    if file.append.get() == Some(&true) {
        notes.add(at, "append is not supported; the file is left out");
        return None;
    }
    let Some(path) = file.path.get() else {
        notes.add(at, "path is missing; the file is left out");
        return None;
    };
    let Some(below) = below_data(path) else {
        notes.add(at, format!("{path} is not below /data or /etc/runbound; the file is left out"));
        return None;
    };
    let mode = file.permissions.get().and_then(|text| {
        let mode = number::read_octal(text.strip_prefix("0o").unwrap_or(text), 0..=0o7777).ok();
        if mode.is_none() {
            notes.add(at, format!("permissions {text} are not octal; 0644 is used"));
        }
        mode
    });
    let text = |given: &Given<String>| given.get().cloned().unwrap_or_default();
    match decode(&text(&file.content), &text(&file.encoding)) {
        Ok(content) => Some(SeedFile { path: below, content, mode: mode.unwrap_or(0o644) }),
        Err(cause) => {
            notes.add(at, format!("{path}: {cause}; the file is left out"));
            None
        }
    }
}

/// The part of a path below the data folder; /etc/runbound is that folder under another name. Names that start with a
/// dot at the top are PID 1's own.
pub fn below_data(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let below = path.strip_prefix("/data").or_else(|_| path.strip_prefix("/etc/runbound")).ok()?;
    let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
    let own = below.to_str().is_none_or(|below| below.starts_with('.'));
    (plain && !own && below.file_name().is_some()).then(|| below.to_owned())
}

fn decode(content: &str, encoding: &str) -> Result<Vec<u8>, String> {
    let base64 = || {
        let packed: String = content.split_ascii_whitespace().collect();
        STANDARD.decode(packed).map_err(|cause| format!("base64: {cause}"))
    };
    match encoding {
        "" | "text/plain" | "plain" => Ok(content.as_bytes().to_vec()),
        "b64" | "base64" => base64(),
        "gz+b64" | "gz+base64" | "gzip+b64" | "gzip+base64" => gunzip(&base64()?),
        other => Err(format!("encoding {other} is not supported")),
    }
}

fn gunzip(data: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let length =
        GzDecoder::new(data).take(MAX_FILE + 1).read_to_end(&mut out).map_err(|cause| format!("gzip: {cause}"))?;
    if length as u64 > MAX_FILE { Err(format!("more than {MAX_FILE} octets")) } else { Ok(out) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::io::Write;

    /// What qemu-server's cloudinit_userdata prints.
    const PROXMOX: &str = "#cloud-config\nhostname: dns1\nmanage_etc_hosts: true\nfqdn: dns1.example.net\nuser: admin\n\
        password: $5$x$y\nssh_authorized_keys:\n  - ssh-ed25519 AAAA a@b\nchpasswd:\n  expire: False\nusers:\n  - default\n\
        package_upgrade: true\n";

    #[test]
    fn proxmox_user_data_names_the_host_and_is_otherwise_nothing_to_complain_of() {
        let user_data = read(PROXMOX.as_bytes());
        assert_eq!(user_data.hostname.as_deref(), Some("dns1"));
        assert_eq!((user_data.files.len(), user_data.warnings), (0, vec![]));
    }

    #[test]
    fn files_and_our_configuration() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(b"packed").unwrap();
        let gzip = STANDARD.encode(gzip.finish().unwrap());
        let text = format!(
            "#cloud-config\nwrite_files:\n- path: /data/lists/a.conf\n  content: |\n    server:\n  permissions: '0600'\n\
             - {{path: /etc/runbound/b.conf, encoding: b64, content: aGVsbG8=}}\n\
             - {{path: /data/c, encoding: gz+b64, content: {gzip}}}\n- {{path: /etc/passwd, content: x}}\n\
             - {{path: /data/../etc/x, content: x}}\n- {{path: /data/.undo.tar, content: x}}\n- {{path: /data/d, encoding: b64, content: '%'}}\n\
             runbound:\n  config: |\n    server:\n      port: 53\n  color: red\nbootcmd: [reboot]\n"
        );
        let user_data = read(text.as_bytes());
        let files: Vec<_> = user_data
            .files
            .iter()
            .map(|file| (file.path.to_str().unwrap(), file.content.as_slice(), file.mode))
            .collect();
        assert_eq!(
            files,
            [
                ("lists/a.conf", b"server:\n".as_slice(), 0o600),
                ("b.conf", b"hello", 0o644),
                ("c", b"packed", 0o644),
                ("unbound.conf", b"server:\n  port: 53\n", 0o644),
            ]
        );
        assert_eq!(user_data.warnings.len(), 6, "{:?}", user_data.warnings);
        assert!(user_data.warnings.iter().any(|line| line.starts_with("runbound.color: ")));
    }

    #[test]
    fn time_servers_are_those_of_the_key_that_cloud_init_has_for_them() {
        let text = "#cloud-config\nntp: {enabled: true, ntp_client: chrony, pools: [0.pool.example], peers: [x],\n  servers: [192.0.2.1, ntp.example]}\n";
        let user_data = read(text.as_bytes());
        assert_eq!(user_data.time_servers, ["192.0.2.1", "ntp.example", "0.pool.example"]);
        assert!(user_data.asks_for_time);
        assert_eq!(user_data.warnings, ["ntp.peers: is not supported; it is ignored"]);
        let user_data = read(b"#cloud-config\nntp: {enabled: no, servers: [192.0.2.1]}\n");
        assert!(!user_data.asks_for_time && user_data.warnings.is_empty());
        assert!(read(b"").asks_for_time);
    }

    #[test]
    fn what_is_no_cloud_config_says_so() {
        for data in
            [b"#!/bin/sh\n".as_slice(), b"#cloud-config\na: [", b"\xff\xfe", b"\x1f\x8bxx", b"#cloud-config\n- a\n"]
        {
            let user_data = read(data);
            assert!(user_data.unread && user_data.warnings.len() == 1, "{data:?}");
        }
        assert_eq!(read(b""), UserData::default());
        assert_eq!(read(b"#cloud-config\n"), UserData::default());
    }

    proptest! {
        #[test]
        fn no_user_data_does_harm(text in "\\PC{0,200}", data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(format!("#cloud-config\n{text}").as_bytes());
            let _ = read(format!("#cloud-config\nwrite_files:\n- path: {text}\n").as_bytes());
            let _ = read(&data);
        }
    }
}
