//! Finds EPICS's Channel Access library: `EPICS_BASE`, the system's (Debian's libca-dev), or that of the
//! Python package epicscorelibs.
//!
//! Outside of the system's library path it has to be found at run time, too. The folder is therefore written
//! into the programs of this package (RPATH), and passed on to packages that depend on it: their build
//! scripts see `DEP_CHANNEL_ACCESS_RPATH` and must do the same (`cargo::rustc-link-arg=-Wl,-rpath,…`), since
//! a linker argument applies to one package only.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for variable in ["EPICS_BASE", "EPICS_HOST_ARCH", "DOCS_RS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    // Documentation is built without linking.
    if env::var_os("DOCS_RS").is_some() {
        return;
    }
    let Some(folder) = epics_base().or_else(|| if system_has_libca() { None } else { python_package() })
    else {
        if !system_has_libca() {
            println!("cargo::error={MISSING}");
        }
        return;
    };
    let folder = folder.display();
    println!("cargo::rustc-link-search=native={folder}");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    println!("cargo::metadata=RPATH={folder}");
}

const MISSING: &str = "EPICS's Channel Access library (libca, libCom) was not found. Set EPICS_BASE to your \
                       EPICS base, or install Debian's libca-dev and libcom-dev, or the Python package \
                       epicscorelibs for the python3 on the PATH (or for $BEAMSHARE_PYTHON)";

/// The folder of libca below `EPICS_BASE`, as EPICS's own build lays it out.
fn epics_base() -> Option<PathBuf> {
    let base = PathBuf::from(env::var_os("EPICS_BASE")?);
    let target = env::var("TARGET").unwrap_or_default();
    // x86_64-unknown-linux-gnu is linux-x86_64 for EPICS.
    let mut parts = target.split('-');
    let usual = parts.next().zip(parts.nth(1)).map(|(machine, system)| format!("{system}-{machine}"));
    let names = [env::var("EPICS_HOST_ARCH").ok(), usual];
    let folders: Vec<PathBuf> = names.into_iter().flatten().map(|name| base.join("lib").join(name)).collect();
    let found = folders.iter().find(|folder| has_libca(folder)).cloned();
    if found.is_none() && !system_has_libca() {
        println!("cargo::warning=no libca.so in {folders:?}, where EPICS_BASE says that it is");
    }
    found
}

fn has_libca(folder: &Path) -> bool {
    folder.join("libca.so").exists() || folder.join("libca.dylib").exists()
}

/// Whether the linker finds libca by itself: the compiler prints the path of a library that it finds, and the
/// bare name of one that it doesn't.
fn system_has_libca() -> bool {
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let found = Command::new(compiler).arg("-print-file-name=libca.so").output();
    found.is_ok_and(|found| Path::new(String::from_utf8_lossy(&found.stdout).trim()).is_absolute())
}

/// The folder of libca in the Python package epicscorelibs.
fn python_package() -> Option<PathBuf> {
    println!("cargo::rerun-if-env-changed=BEAMSHARE_PYTHON");
    let python = env::var_os("BEAMSHARE_PYTHON").unwrap_or_else(|| "python3".into());
    let script = "from epicscorelibs.path import lib_path; print(lib_path)";
    let found = Command::new(python).args(["-c", script]).output().ok()?;
    let folder = PathBuf::from(String::from_utf8(found.stdout).ok()?.trim());
    has_libca(&folder).then_some(folder)
}
