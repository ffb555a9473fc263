//! Clocks that step, each for one process: a library that its dynamic linker loads first shifts what it
//! reads.

use crate::support::ioc::repository;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The wall clock of a process that is started with its [`environment`](SteppedClock::environment).
pub struct SteppedClock {
    library: PathBuf,
    offset: PathBuf,
    file: File,
}

impl SteppedClock {
    pub fn new(folder: &Path, name: &str) -> SteppedClock {
        let (library, offset) = (folder.join("clock.so"), folder.join(format!("{name}.clock")));
        if !library.exists() {
            let source = repository("tests/chaos/clock.c");
            let compiled =
                Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
            assert!(compiled.expect("cc").success(), "clock.c does not compile");
        }
        let file = File::create(&offset).unwrap();
        let clock = SteppedClock { library, offset, file };
        clock.set(0);
        clock
    }

    pub fn environment(&self) -> [(&'static str, &str); 2] {
        let text = |path: &'_ Path| path.to_str().unwrap().to_owned().leak() as &str;
        [("LD_PRELOAD", text(&self.library)), ("CHAOS_CLOCK", text(&self.offset))]
    }

    /// So many seconds from the true time.
    pub fn set(&self, seconds: i64) {
        self.file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}
