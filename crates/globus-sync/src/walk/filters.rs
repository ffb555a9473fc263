use crate::SyncFilter;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use wildmatch::WildMatch;

/// Which files are sent, by their names. Made once a walk, not once a file.
#[derive(Clone, Debug, Default)]
pub struct Filters(Vec<(WildMatch, bool)>);

impl Filters {
    /// From the configuration; the first that fits decides, and what none fits is sent.
    pub fn new(filters: &[SyncFilter]) -> Self {
        Filters(
            filters
                .iter()
                .map(|filter| match filter {
                    SyncFilter::Include(pattern) => (WildMatch::new(pattern), true),
                    SyncFilter::Exclude(pattern) => (WildMatch::new(pattern), false),
                })
                .collect(),
        )
    }

    /// Whether a file of this name is sent. A name that is no UTF-8 is compared with its strange bytes
    /// replaced.
    pub fn wants(&self, name: &OsStr) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let name = String::from_utf8_lossy(name.as_bytes());
        self.0.iter().find(|(pattern, _)| pattern.matches(&name)).is_none_or(|(_, wanted)| *wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_filter_that_fits_decides() {
        let filters = Filters::new(&[
            SyncFilter::Exclude("*.tmp".to_owned()),
            SyncFilter::Include("scan_????.h5".to_owned()),
            SyncFilter::Exclude("scan*".to_owned()),
        ]);
        let wants = |name: &[u8]| filters.wants(OsStr::from_bytes(name));
        assert!(wants(b"scan_0001.h5") && wants(b"dark.h5") && wants(b"\xff"));
        assert!(!wants(b"scan_0001.tmp") && !wants(b"scan_1.h5") && !wants(b"scan\xff"));
        assert!(Filters::default().wants(OsStr::new("anything")));
    }
}
