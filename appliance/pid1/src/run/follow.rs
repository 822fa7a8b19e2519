//! Disks and media that changed while the machine runs: what a boot would do with them is done.

use super::boot::{Booted, name_host};
use crate::cloudinit::drives::Drives;
use crate::cloudinit::userdata::{self, UserData};
use crate::configuration::adopt;
use crate::configuration::store::Moved;
use crate::network::Settings;

impl Booted {
    /// Follows a change of the drives. Whether the server is to start anew for it.
    ///
    /// Unlike the look at them this is done on the loop, although files are checked, written and synced here: it happens
    /// when somebody changes a drive or a disk, and all that comes after it needs its outcome. A disk too slow for the time
    /// of the watchdog costs a reset, which is as a power cut: what was begun is finished by the next boot, which no
    /// watchdog watches yet.
    pub fn follow(&mut self, drives: Drives) -> bool {
        let moved = self.store.follow(&drives.volumes, &mut self.modules);
        self.status.storage.clone_from(&self.store.description);
        let changed = drives.seed.is_some_and(|seed| {
            let changed = seed != self.seed;
            if changed {
                log::info!("the cloud-init drive has changed");
                self.seed = seed;
            }
            changed
        });
        if !changed && moved == Moved::No {
            return false;
        }
        let user_data = userdata::read(&self.seed.user_data);
        if changed {
            user_data.warnings.iter().for_each(|warning| log::warn!("user-data: {warning}"));
            self.other_settings(&user_data);
        }
        self.other_files(&user_data, moved)
    }

    /// Host name, network and name servers as the drive says by now. What it says unreadably stays as it is.
    fn other_settings(&mut self, user_data: &UserData) {
        if self.seed.network_unread {
            log::warn!("the network stays as it is");
            return;
        }
        let settings = Settings::of(&self.seed, &self.cmdline);
        if !user_data.unread {
            self.status.hostname = name_host(user_data, &self.seed, &settings);
            self.status.time_servers.drive(user_data.asks_for_time, &user_data.time_servers);
        }
        for source in self.network.change(settings, &self.status.hostname, &mut self.modules) {
            self.servers.lease(&source, Vec::new());
            self.status.time_servers.lease(&source, Vec::new());
        }
        self.servers.settings(self.network.nameservers());
        self.network.source().clone_into(&mut self.status.network_source);
    }

    /// The configuration, when the drive brings another one or lies elsewhere by now. Whether the server is to start anew.
    fn other_files(&mut self, user_data: &UserData, moved: Moved) -> bool {
        if moved != Moved::No {
            adopt::finish(&self.store);
        }
        let files = !user_data.unread && adopt::take_in(&self.store, &self.seed.instance_id, &user_data.files);
        if moved == Moved::No && !files {
            self.adopted.write_anew();
            return false;
        }
        self.adopted = adopt::choose(&self.store);
        self.status.control_socket.clone_from(&self.adopted.facts.control_socket);
        if moved == Moved::ToRam {
            log::warn!("the server keeps what it has read; when it starts anew, it is by the configuration in RAM");
        }
        files || moved == Moved::ToPartition
    }
}
