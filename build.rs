//! Writes the folder of EPICS's libca into the programs (RPATH) where the crate channel-access found it
//! outside of the system's library path.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(folder) = std::env::var("DEP_CHANNEL_ACCESS_RPATH") {
        // `make install` copies a library of the build folder to lib/beamshare beside bin.
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder},-rpath,$ORIGIN/../lib/beamshare");
    }
}
