//! Which file systems tell of all changes.

use std::path::Path;

/// What `statfs` calls file systems whose files others change without this machine's kernel seeing it: the
/// magic numbers of Linux (`linux/magic.h`) and of those that are not in it (Lustre, GPFS, BeeGFS, PanFS).
const REMOTE: [(u32, &str); 18] = [
    (0x6969, "NFS"),
    (0xFE53_4D42, "SMB"),
    (0xFF53_4D42, "SMB"),
    (0x517B, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0xAAD7_AAEA, "PanFS"),
    (0x2003_0528, "OrangeFS"),
    (0x0102_1997, "9P"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x564C, "NCP"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
];

/// The kind of file system that the directory is on, where that gives no events for what other machines
/// change.
pub(super) fn without_events(directory: &Path) -> Option<&'static str> {
    let magic = rustix::fs::statfs(directory).ok()?.f_type as u32;
    REMOTE.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_disk_has_events() {
        assert_eq!(without_events(&std::env::temp_dir()), None);
        assert_eq!(without_events(Path::new("/no/such/directory")), None);
    }
}
