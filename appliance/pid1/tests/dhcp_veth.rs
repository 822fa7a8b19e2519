//! DHCP of both versions and router advertisements against dnsmasq, on a veth pair between two namespaces: needs root, and
//! fails without.
//!
//! The outer test makes the namespaces and the server and runs the inner, ignored one in the client's; all of it is
//! removed however it ends.

#[path = "../../../tests/lib/namespace.rs"]
mod namespace;

use namespace::{Namespace, ip};
use runbound_init::network::dhcp::{Dhcp, Dhcp6};
use runbound_init::network::router::RouterServers;
use runbound_init::service::{Event, Service, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The client's end of the pair, and the server's.
const ENDS: [&str; 2] = ["dhc", "dhs"];
const NAME_SERVER: &str = "2001:db8::53";
const NAME_SERVER4: &str = "192.0.2.53";
const TIME_SERVER6: &str = "ntp.example";
const TIME_SERVER4: &str = "192.0.2.123";
const PATIENCE: Duration = Duration::from_secs(60);

/// The server, which ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn addresses_and_name_servers_come_from_a_real_server() {
    let (at_client, at_server) = (Namespace::new("dhcp-c"), Namespace::new("dhcp-s"));
    let [client, server] = ENDS;
    ip(&format!("-n {} link add {client} type veth peer name {server} netns {}", at_client.name, at_server.name));
    let of_server = |words: &str| ip(&format!("-n {} {words}", at_server.name));
    of_server(&format!("link set {server} up"));
    of_server(&format!("address add 2001:db8::1/64 dev {server} nodad"));
    of_server(&format!("address add 192.0.2.1/24 dev {server}"));
    let inside =
        ["netns", "exec", &at_server.name, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0"];
    let child = Command::new("ip")
        .args(inside)
        .args(["--user=root", "--pid-file=", "--log-facility=-", "--leasefile-ro", "--enable-ra"])
        .args([&format!("--interface={server}"), "--bind-interfaces"])
        .args(["--dhcp-range=2001:db8::100,2001:db8::1ff,64,1h", "--ra-param=*,4,120"])
        .arg("--dhcp-range=192.0.2.100,192.0.2.199,255.255.255.0,1h")
        .arg(format!("--dhcp-option=option6:dns-server,[{NAME_SERVER}]"))
        .arg(format!("--dhcp-option=option:dns-server,{NAME_SERVER4}"))
        .arg(format!("--dhcp-option=option6:ntp-server,{TIME_SERVER6}"))
        .arg(format!("--dhcp-option=option:ntp-server,{TIME_SERVER4}"))
        .stderr(Stdio::null())
        .spawn()
        .expect("ip runs dnsmasq (Debian: dnsmasq-base)");
    let _server = Server(child);
    at_client.run_test("inner");
}

#[test]
#[ignore = "in the client's namespace alone"]
fn inner() {
    let name = ENDS[0];
    let fact = |fact: &str| std::fs::read_to_string(format!("/sys/class/net/{name}/{fact}")).expect("sysfs");
    let index: u32 = fact("ifindex").trim().parse().expect("number");
    let octet = |hex: &str| u8::from_str_radix(hex, 16).expect("hex");
    let mac: Vec<u8> = fact("address").trim().split(':').map(octet).collect();
    // As at boot: the ears are open before the link is.
    let mut routers = RouterServers::open().expect("netlink");
    let (mac, now) = (mac.try_into().expect("six octets"), Instant::now());
    let mut client = Dhcp6::start(name, index, mac, now).expect("socket");
    let mut client4 = Dhcp::start(name, index, mac, "dns1", now).expect("socket");
    ip(&format!("link set {name} up"));
    let address = |text: &str| text.parse::<IpAddr>().expect("address");
    let (wanted, wanted4) = (address(NAME_SERVER), address(NAME_SERVER4));
    let (mut leased, mut leased4, mut told, mut times) = (false, false, false, 0);
    let end = Instant::now() + PATIENCE;
    while !(leased && leased4 && told && times == 2) {
        assert!(
            Instant::now() < end,
            "within {PATIENCE:?}: leased {leased}, {leased4}, told by the router {told}, time servers {times}"
        );
        for event in turn(&mut [&mut client, &mut client4, &mut routers]) {
            match event {
                Event::TimeServers(source, servers) => {
                    let wanted = if source == name { &[TIME_SERVER4][..] } else { &[TIME_SERVER6][..] };
                    assert_eq!(servers, wanted, "of {source}");
                    times += 1;
                }
                Event::NameServers(source, servers) if source == name => {
                    assert_eq!(servers, [wanted4]);
                    leased4 = true;
                }
                Event::NameServers(source, servers) => {
                    assert_eq!((source.as_str(), servers.as_slice()), ("dhc DHCPv6", &[wanted][..]));
                    leased = true;
                }
                Event::RouterServers(from, servers) => {
                    assert_eq!((from, servers.as_slice()), (index, &[wanted][..]));
                    told = true;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let shown = |what: &str| {
        let shown = Command::new("ip").args([what, "show", "dev", name]).output().expect("ip runs");
        String::from_utf8_lossy(&shown.stdout).into_owned()
    };
    let addresses = shown("address");
    for (start, prefix) in [("inet6 2001:db8::1", "/128"), ("inet 192.0.2.1", "/24")] {
        let line = addresses.lines().find(|line| line.contains(start) && line.contains(prefix));
        assert!(line.is_some_and(|line| line.contains("dynamic")), "an address with an end: {addresses}");
    }
    assert!(shown("route").contains("default via 192.0.2.1"), "the router that the server named");
}

/// What PID 1 does: waits, and turns who is ready or due.
fn turn(services: &mut [&mut dyn Service]) -> Vec<Event> {
    let ready: Vec<PollFlags> = {
        let mut fds: Vec<PollFd<'_>> = services
            .iter()
            .filter_map(|service| service.fd().map(|fd| PollFd::from_borrowed_fd(fd, service.interest())))
            .collect();
        let timeout = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        poll(&mut fds, Some(&timeout)).expect("poll");
        fds.iter().map(PollFd::revents).collect()
    };
    let now = Instant::now();
    let turned = services
        .iter_mut()
        .zip(ready)
        .filter(|(service, ready)| !ready.is_empty() || service.deadline().is_some_and(|deadline| now >= deadline));
    turned.flat_map(|(service, ready)| service.turn(ready, now, &Status::default())).collect()
}
