//! The modules of src/ import only from the layers below them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The layers, lowest first; docs/architecture.md draws them. In a layer, a module may import from those
/// before it.
const LAYERS: &[&[&str]] = &[
    // `domain` imports nothing of ours and does no I/O.
    &["domain"],
    &["host", "files"],
    &["config", "journal", "log"],
    &["user_info", "places", "schedule", "mail", "hooks", "globus", "settings"],
    &["sync"],
    &["delivery"],
    &["status"],
    &["metrics", "web", "service"],
    &["cli", "demo", "lib", "main"],
];

#[test]
fn no_import_runs_upwards() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = String::new();
    let mut seen = BTreeSet::new();
    for file in rust_files(&root) {
        let path = file.strip_prefix(&root).expect("below it");
        let module = module(path);
        seen.insert(module.clone());
        let place =
            place(&module).unwrap_or_else(|| panic!("{}: its layer is not in LAYERS", path.display()));
        let text = std::fs::read_to_string(&file).expect("a source file");
        for (line, imported) in imports(&text) {
            let allowed = imported == module || self::place(&imported).is_none_or(|below| below < place);
            if !allowed {
                writeln!(wrong, "src/{}:{line}: {module} imports {imported}", path.display())
                    .expect("a text");
            }
        }
    }
    assert!(seen.contains("domain") && seen.contains("cli"), "the files were found: {seen:?}");
    assert!(wrong.is_empty(), "imports that run upwards:\n{wrong}");
}

#[test]
fn an_import_is_found_in_every_form() {
    let cases = [
        ("use crate::config::Config;", vec![(1, "config")]),
        ("    pub(crate) use crate::{\n    hooks, mail::Mailer};", vec![(1, "hooks"), (1, "mail")]),
        ("\nlet x = crate::host::name() + beamshare::log::y;", vec![(2, "host"), (2, "log")]),
        ("use super::x; // crate::cli", vec![]),
        ("/// [`crate::delivery`]", vec![]),
    ];
    for (text, found) in cases {
        let found: Vec<_> = found.into_iter().map(|(line, name)| (line, name.to_owned())).collect();
        assert_eq!(imports(text), found, "{text}");
    }
}

/// Where a module stands: its layer, and its place there.
fn place(module: &str) -> Option<(usize, usize)> {
    let layers = LAYERS.iter().enumerate();
    layers.filter_map(|(n, layer)| Some((n, layer.iter().position(|other| *other == module)?))).next()
}

/// The module of src/ that a file belongs to.
fn module(path: &Path) -> String {
    let first = path.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that a file names by a path from the root, with the line, from 1; comments do not count.
fn imports(text: &str) -> Vec<(usize, String)> {
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut found = vec![];
    for root in ["crate::", "beamshare::"] {
        for (at, _) in code.match_indices(root) {
            let (line, path) = (code[..at].matches('\n').count() + 1, &code[at + root.len()..]);
            let names: Vec<&str> = match path.strip_prefix('{') {
                Some(group) => {
                    group.split('}').next().unwrap_or_default().split(',').map(str::trim).collect()
                }
                None => vec![path],
            };
            found.extend(names.into_iter().map(|path| (line, name(path).to_owned())));
        }
    }
    found.retain(|(_, name)| !name.is_empty());
    found
}

fn name(path: &str) -> &str {
    path.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).expect("a folder of sources").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs"));
    files.chain(folders.iter().flat_map(|folder| rust_files(folder))).collect()
}
