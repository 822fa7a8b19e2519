"""Cloud-init drives as Proxmox makes them: the text of qemu-server's Cloudinit.pm, the options of its genisoimage call."""

import ipaddress
import os

from lab import sh


def network_v1(nics, nameservers=(), search=()):
    """`nocloud_network`: nics are (id, mac, ip, gw, ip6, gw6), empty strings for what the user left empty."""
    text = "version: 1\nconfig:\n"
    for number, mac, ip, gateway, ip6, gateway6 in nics:
        text += f"    - type: physical\n      name: eth{number}\n      mac_address: '{mac.lower()}'\n      subnets:\n"
        if ip == "dhcp":
            text += "      - type: dhcp4\n"
        elif ip:
            address = ipaddress.ip_interface(ip)
            text += f"      - type: static\n        address: '{address.ip}'\n        netmask: '{address.netmask}'\n"
            text += f"        gateway: '{gateway}'\n" if gateway else ""
        if ip6 in ("dhcp", "auto"):
            text += f"      - type: {'dhcp6' if ip6 == 'dhcp' else 'ipv6_slaac'}\n"
        elif ip6:
            text += f"      - type: static6\n        address: '{ip6}'\n"
            text += f"        gateway: '{gateway6}'\n" if gateway6 else ""
    if nameservers or search:
        text += "    - type: nameserver\n"
        text += "      address:\n" + "".join(f"      - '{server}'\n" for server in nameservers) if nameservers else ""
        text += "      search:\n" + "".join(f"      - '{domain}'\n" for domain in search) if search else ""
    return text


def user_data(hostname, extra=""):
    """`cloudinit_userdata` for a machine without a user of its own; `extra` is what a custom snippet adds."""
    return (f"#cloud-config\nhostname: {hostname}\nmanage_etc_hosts: true\nfqdn: {hostname}.example.net\nchpasswd:\n"
            f"  expire: False\nusers:\n  - default\npackage_upgrade: true\n{extra}")


def nocloud(lab, name, network, user, instance, label="cidata"):
    """A NoCloud drive; returns its path."""
    return _iso(lab, name, label, {"user-data": user, "network-config": network, "vendor-data": "",
                                   "meta-data": f"instance-id: {instance}\n"})


def config_drive(lab, name, interfaces, user, instance):
    """A ConfigDrive2 drive; returns its path."""
    meta = f'{{\n     "uuid": "{instance}",\n     "network_config": {{ "content_path": "/content/0000" }}\n}}\n'
    return _iso(lab, name, "config-2", {"openstack/latest/user_data": user, "openstack/content/0000": interfaces,
                                        "openstack/latest/meta_data.json": meta, "openstack/latest/vendor_data.json": ""})


def _iso(lab, name, label, files):
    folder, image = lab.path(f"{name}.d"), lab.path(f"{name}.iso")
    for path, text in files.items():
        os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
        with open(f"{folder}/{path}", "w") as file:
            file.write(text)
    sh("genisoimage", "-quiet", "-iso-level", "3", "-J", "-R", "-V", label, "-o", image, folder)
    # As large as Proxmox makes the drive.
    os.truncate(image, 4 << 20)
    return image
