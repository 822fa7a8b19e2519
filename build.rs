//! Compiles the XDP program with clang, with and without what reads VLAN tags beside frames and what answers by itself;
//! `src/xdp/maps.rs` embeds the objects.

use std::path::PathBuf;
use std::process::Command;
use std::{env, process};

const SOURCE: &str = "bpf/runbound.bpf.c";
const HEADERS: [&str; 6] = [
    "bpf/runbound.h",
    "bpf/answers.h",
    "bpf/answers.bpf.h",
    "bpf/query.bpf.h",
    "bpf/reply.bpf.h",
    "bpf/work.bpf.h",
];
/// Objects by name, and what is defined for each.
const OBJECTS: [(&str, &[&str]); 4] = [
    ("runbound.bpf.o", &[]),
    ("runbound_tags.bpf.o", &["-DRUNBOUND_READS_TAGS"]),
    ("runbound_answers.bpf.o", &["-DRUNBOUND_ANSWERS"]),
    ("runbound_tags_answers.bpf.o", &["-DRUNBOUND_READS_TAGS", "-DRUNBOUND_ANSWERS"]),
];

fn main() {
    println!("cargo:rerun-if-changed={SOURCE}");
    for header in HEADERS {
        println!("cargo:rerun-if-changed={header}");
    }
    println!("cargo:rerun-if-env-changed=CLANG");
    for (object, more) in OBJECTS {
        if let Err(cause) = compile_xdp_program(object, more) {
            eprintln!("{SOURCE}: {cause}");
            process::exit(1);
        }
    }
}

fn compile_xdp_program(object: &str, more: &[&str]) -> Result<(), String> {
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
            SOURCE,
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
