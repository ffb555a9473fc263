//! The detector's program: new files, files that grow, are replaced, or are written anew with their time set
//! back.

use crate::support::random::Random;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What each path below the top of all data held when it was last written.
pub type Written = BTreeMap<PathBuf, Vec<u8>>;

/// How often it did what.
pub type Counts = BTreeMap<&'static str, u64>;

/// Takes data into the groups' directories until it is stopped.
pub fn take_data(top: &Path, stop: &AtomicBool, mut random: Random) -> (Written, Counts) {
    let (mut written, mut counts) = (Written::new(), Counts::new());
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(random.millis(120));
        number += 1;
        let size = 1 + random.below(4000) as usize;
        let content: Vec<u8> = format!("{number} ").into_bytes().into_iter().cycle().take(size).collect();
        let earlier = written.keys().nth(random.below(written.len().max(1) as u64) as usize).cloned();
        let did = match (random.below(6), earlier) {
            (0, Some(path)) => grow(top, &path, &content, &mut written).then_some("files that grew"),
            (1, Some(path)) => rewrite(top, &path, number, &mut written)
                .then_some("files rewritten with their time set back"),
            (2, Some(path)) => replace(top, &path, content, number, &mut written).then_some("files replaced"),
            _ => create(top, content, number, &mut random, &mut written).then_some("files"),
        };
        if let Some(did) = did {
            *counts.entry(did).or_default() += 1;
        }
    }
    (written, counts)
}

/// Whether the file still has its name: clean-up may have removed it while it was opened.
fn is_still(path: &Path, file: &File) -> bool {
    std::fs::metadata(path).is_ok_and(|named| file.metadata().is_ok_and(|opened| named.ino() == opened.ino()))
}

fn grow(top: &Path, path: &Path, content: &[u8], written: &mut Written) -> bool {
    let Ok(mut file) = File::options().append(true).open(top.join(path)) else { return false };
    file.write_all(content).unwrap();
    let grown = is_still(&top.join(path), &file);
    if grown {
        written.get_mut(path).unwrap().extend(content);
    }
    grown
}

/// The same size and the same time of change: only ctime tells.
fn rewrite(top: &Path, path: &Path, number: u64, written: &mut Written) -> bool {
    let Ok(file) = File::options().write(true).open(top.join(path)) else { return false };
    let before = file.metadata().unwrap().modified().unwrap();
    let content: Vec<u8> =
        format!("{number}+").into_bytes().into_iter().cycle().take(written[path].len()).collect();
    file.write_all_at(&content, 0).unwrap();
    file.set_modified(before).unwrap();
    let rewritten = is_still(&top.join(path), &file);
    if rewritten {
        written.insert(path.to_owned(), content);
    }
    rewritten
}

fn replace(top: &Path, path: &Path, content: Vec<u8>, number: u64, written: &mut Written) -> bool {
    let new = top.join(path).with_file_name(format!("{number}.tmp"));
    let replaced = std::fs::write(&new, &content).is_ok() && std::fs::rename(&new, top.join(path)).is_ok();
    if replaced {
        written.insert(path.to_owned(), content);
    }
    replaced
}

/// A new file in the directory of any group that has one.
fn create(top: &Path, content: Vec<u8>, number: u64, random: &mut Random, written: &mut Written) -> bool {
    let groups = directories(top);
    if groups.is_empty() {
        return false;
    }
    let name = format!("scan{}/{number}.h5", random.below(3));
    let path = random.pick(&groups).join(name);
    for _ in 0..100 {
        // Clean-up may remove the directory that became empty in between.
        let _ = std::fs::create_dir(top.join(&path).parent().unwrap());
        if std::fs::write(top.join(&path), &content).is_ok() {
            written.insert(path, content);
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

/// The groups' directories, below the top.
fn directories(top: &Path) -> Vec<PathBuf> {
    let below =
        |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = below(top).flat_map(|month| below(&month).collect::<Vec<_>>()).collect();
    found.sort();
    found.iter().filter_map(|path| path.strip_prefix(top).ok().map(Path::to_owned)).collect()
}
