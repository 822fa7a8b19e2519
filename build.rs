//! Compiles the XDP programs with clang: the one that redirects queries, with and without what reads VLAN tags beside frames and
//! what answers by itself, and the one for the other end of a veth pair; `src/xdp` embeds the objects.

use std::path::PathBuf;
use std::process::Command;
use std::{env, process};

const REDIRECTS: &str = "bpf/runbound.bpf.c";
const PEER: &str = "bpf/peer.bpf.c";
const HEADERS: [&str; 6] =
    ["bpf/runbound.h", "bpf/answers.h", "bpf/answers.bpf.h", "bpf/query.bpf.h", "bpf/reply.bpf.h", "bpf/work.bpf.h"];
/// What each object is made of, its name, and what is defined for it.
const OBJECTS: [(&str, &str, &[&str]); 5] = [
    (REDIRECTS, "runbound.bpf.o", &[]),
    (REDIRECTS, "runbound_tags.bpf.o", &["-DRUNBOUND_READS_TAGS"]),
    (REDIRECTS, "runbound_answers.bpf.o", &["-DRUNBOUND_ANSWERS"]),
    (REDIRECTS, "runbound_tags_answers.bpf.o", &["-DRUNBOUND_READS_TAGS", "-DRUNBOUND_ANSWERS"]),
    (PEER, "peer.bpf.o", &[]),
];

fn main() {
    for file in [REDIRECTS, PEER].into_iter().chain(HEADERS) {
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:rerun-if-env-changed=CLANG");
    for (source, object, more) in OBJECTS {
        if let Err(cause) = compile_xdp_program(source, object, more) {
            eprintln!("{source}: {cause}");
            process::exit(1);
        }
    }
}

fn compile_xdp_program(source: &str, object: &str, more: &[&str]) -> Result<(), String> {
    let folder = |name| env::var_os(name).map(PathBuf::from).ok_or(format!("{name} is not set"));
    let object = folder("OUT_DIR")?.join(object);
    let libbpf_headers = folder("DEP_BPF_INCLUDE")?;
    let clang = env::var("CLANG").unwrap_or_else(|_| "clang".into());
    let status = Command::new(&clang)
        .args([
            "-target",
            "bpf",
            "-mcpu=v2",
            "-O2",
            "-g",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-nostdinc",
            "-c",
            source,
            "-o",
        ])
        .arg(&object)
        .arg("-I")
        .arg(&libbpf_headers)
        .args(["-idirafter", "vendor/kernel-headers"])
        .args(more)
        .status()
        .map_err(|error| format!("cannot run {clang}: {error}; install the Debian package clang"))?;
    if status.success() { Ok(()) } else { Err(format!("{clang} failed: {status}")) }
}
