//! How users call an interface: by its name, or by one of the other names that it has beside that, as every tool that asks the
//! kernel by name may (`ip link property add dev NAME altname OTHER`, IFLA_ALT_IFNAME). No two interfaces of a network
//! namespace share any of them.

/// What the names of the bridges begin with that Proxmox makes for guests with the firewall on.
pub const GUESTS_BRIDGE: &str = "fwbr";

/// Something with the names of an interface.
pub trait Named {
    /// Its name, which the kernel and sysfs have it by.
    fn name(&self) -> &str;

    /// The others.
    fn altnames(&self) -> &[String];

    /// All of them.
    fn names(&self) -> impl Iterator<Item = &str> + Clone {
        std::iter::once(self.name()).chain(self.altnames().iter().map(String::as_str))
    }

    /// Whether a user who writes `name` means it.
    fn is_called(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }
}
