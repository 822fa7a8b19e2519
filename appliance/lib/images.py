"""The two images: a hybrid ISO (CD, USB, disk; BIOS and UEFI) and a qcow2 disk with a data partition.

All identifiers are fixed: the same kernel, initramfs and configuration of GRUB give the same octets.
"""

import os
import struct

MIB = 1 << 20
SECTOR = 512
ESP_SERIAL = "72756e62"
DISK_GUID = "6f5c9f0e-58b3-4d0c-9c7b-72756e626f75"
BIOS_BOOT, ESP = "21686148-6449-6E6F-744E-656564454649", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
DATA = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
DATA_UUID = "b1b4d9a6-3a5f-4d55-9df4-64617461aa01"
# The data partition is the last one. Nothing makes it larger: docs/appliance.md says how much fits.
BIOS_BOOT_MIB, ESP_MIB, DATA_MIB = (1, 1), (2, 64), (66, 64)
DISK_MIB = 131

# What BIOS GRUB has built in: enough to read /EFI/debian/grub.cfg (where Debian's signed UEFI GRUB looks, too) and boot.
GRUB_MODULES = ["biosdisk", "configfile", "echo", "linux", "minicmd", "normal", "search", "search_fs_file", "search_label",
                "test"]
GRUB_ISO, GRUB_DISK = ["iso9660"], ["part_gpt", "fat"]
SHIM = "usr/lib/shim/shimx64.efi.signed"
GRUB_EFI = "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
GRUB_BIOS = "usr/lib/grub/i386-pc"


class Maker:
    """Makes images in `work` (a path inside the tools' root) from the boot loaders in `boot`."""

    def __init__(self, tools, work, boot, epoch):
        self.tools, self.work, self.boot, self.epoch = tools, work, boot, epoch

    def path(self, *names):
        return os.path.join(self.work, *names)

    # --- parts -----------------------------------------------------------------------------------------------------

    def fat(self, name, mib, files):
        """A FAT file system with the files {path in it: file}, in this order."""
        image = self.path(name)
        with open(image, "wb") as file:
            file.truncate(mib * MIB)
        self.tools.run("mkfs.vfat", "--invariant", "-i", ESP_SERIAL, "-n", "RUNBOUND", image)
        folders = []
        for target in files:
            parts = target.split("/")[:-1]
            folders += ["/".join(parts[:depth + 1]) for depth in range(len(parts))]
        for folder in dict.fromkeys(folders):
            self.tools.run("mmd", "-i", image, "::/" + folder)
        for target, source in files.items():
            self.tools.run("mcopy", "-m", "-i", image, source, "::/" + target)
        return image

    def efi_files(self, config):
        """Debian's signed chain: shim, GRUB beside it, GRUB's configuration where the signed GRUB looks for it."""
        boot = self.boot
        return {"EFI/BOOT/BOOTX64.EFI": os.path.join(boot, SHIM), "EFI/BOOT/grubx64.efi": os.path.join(boot, GRUB_EFI),
                "EFI/debian/grub.cfg": config}

    def grub_core(self, name, form, prefix, modules):
        """GRUB for BIOS as one file."""
        image = self.path(name)
        self.tools.run("grub-mkimage", "-O", form, "-d", os.path.join(self.boot, GRUB_BIOS), "-p", prefix, "-o", image,
                       *sorted(GRUB_MODULES + modules))
        return image

    # --- the ISO ---------------------------------------------------------------------------------------------------

    def iso(self, name, vmlinuz, initrd, config):
        """The hybrid ISO."""
        tree, boot = self.path("iso"), os.path.join(self.boot, GRUB_BIOS)
        small = self.fat("efi.img", 8, self.efi_files(config))
        core = self.grub_core("eltorito.img", "i386-pc-eltorito", "/EFI/debian", GRUB_ISO)
        files = {"runbound/vmlinuz": vmlinuz, "runbound/initrd": initrd, "runbound/bios.img": core,
                 **self.efi_files(config)}
        for target, source in files.items():
            os.makedirs(os.path.dirname(os.path.join(tree, target)), exist_ok=True)
            with open(source, "rb") as read, open(os.path.join(tree, target), "wb") as write:
                write.write(read.read())
        self.date(tree)
        image = self.path(name)
        self.tools.run(
            "xorriso", "-no_rc", "-as", "mkisofs", "-iso-level", "3", "-r", "-J", "-V", "RUNBOUND", "-o", image,
            "-b", "runbound/bios.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info",
            "--grub2-mbr", os.path.join(boot, "boot_hybrid.img"), "-append_partition", "2", ESP, small,
            "-appended_part_as_gpt", "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot",
            "--gpt_disk_guid", DISK_GUID, "-partition_offset", "16", tree)
        return image

    def date(self, tree):
        """One time for every file and folder."""
        for folder, _, names in os.walk(tree):
            for name in names:
                os.utime(os.path.join(folder, name), (self.epoch, self.epoch))
            os.utime(folder, (self.epoch, self.epoch))

    # --- the disk --------------------------------------------------------------------------------------------------

    def disk(self, name, vmlinuz, initrd, config):
        """The qcow2: BIOS boot partition, EFI system partition with kernel and initramfs, data partition."""
        files = {**self.efi_files(config), "runbound/vmlinuz": vmlinuz, "runbound/initrd": initrd}
        esp = self.fat("esp.img", ESP_MIB[1], files)
        core = self.grub_core("core.img", "i386-pc", "(,gpt2)/EFI/debian", GRUB_DISK)
        raw = self.path("disk.raw")
        with open(raw, "wb") as file:
            file.truncate(DISK_MIB * MIB)
        table = [f"label: gpt\nlabel-id: {DISK_GUID}\n"]
        partitions = ((BIOS_BOOT_MIB, BIOS_BOOT, "runbound-bios"), (ESP_MIB, ESP, "runbound-boot"), (DATA_MIB, DATA, "runbound-data"))
        for number, ((start, size), kind, label) in enumerate(partitions, 1):
            table.append(f"start={start}MiB, size={size}MiB, type={kind}, uuid={DISK_GUID[:-1]}{number}, name={label}\n")
        self.tools.run("sfdisk", "--quiet", raw, input="".join(table))
        with open(raw, "r+b") as file:
            self._put_grub(file, core)
            _put(file, ESP_MIB[0] * MIB, esp)
            _put(file, DATA_MIB[0] * MIB, self.data())
        image = self.path(name)
        self.tools.run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", "compat=1.1,cluster_size=64k", raw, image)
        return image

    def data(self):
        """The empty data partition."""
        image = self.path("data.img")
        with open(image, "wb") as file:
            file.truncate(DATA_MIB[1] * MIB)
        self.tools.run("mke2fs", "-q", "-t", "ext4", "-L", "runbound-data", "-U", DATA_UUID, "-m", "0", "-I", "256",
                       "-b", "4096", "-E", f"hash_seed={DATA_UUID},lazy_itable_init=0,root_owner=0:0", image)
        return image

    def _put_grub(self, disk, core):
        """As grub-bios-setup does: boot.img into the first sector, the core into its partition, its place into both."""
        sector = BIOS_BOOT_MIB[0] * MIB // SECTOR
        with open(os.path.join(self.boot, GRUB_BIOS, "boot.img"), "rb") as file:
            boot = bytearray(file.read())
        with open(core, "rb") as file:
            image = bytearray(file.read())
        if len(image) > BIOS_BOOT_MIB[1] * MIB:
            raise SystemExit("GRUB does not fit into its partition")
        struct.pack_into("<Q", boot, 0x5C, sector)  # GRUB_BOOT_MACHINE_KERNEL_SECTOR
        boot[0x66:0x68] = b"\x90\x90"  # GRUB_BOOT_MACHINE_DRIVE_CHECK: trust the drive number that the BIOS gives
        struct.pack_into("<Q", image, SECTOR - 12, sector + 1)  # the block list's first entry in diskboot.img
        disk.seek(0)
        disk.write(boot[:440])  # the rest of the sector is the partition table's
        disk.seek(sector * SECTOR)
        disk.write(image)


def _put(disk, offset, source):
    """Copy a file into the disk; zeroes stay holes."""
    with open(source, "rb") as file:
        while chunk := file.read(MIB):
            if chunk.strip(b"\0"):
                disk.seek(offset)
                disk.write(chunk)
            offset += MIB
