//! Paths of collections on real directories, which nothing can leave: neither `..` nor a symbolic link.

use std::io;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

/// An absolute path inside a collection, without `.`, `..`, `~` or doubled slashes: `/` or `/a/b`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Virtual(String);

impl Virtual {
    /// Reads a path as Transfer takes it: absolute, or from the default directory with `/~/`, `~/` or no
    /// slash.
    ///
    /// `..` stops at the top, as in a chroot. None for what no file name can hold.
    pub fn parse(path: &str, default_directory: &str) -> Option<Self> {
        if path.contains('\0') || path.contains("\r\n") {
            return None;
        }
        let home = |rest: &str| format!("{default_directory}/{rest}");
        let full = if path == "~" || path == "/~" {
            home("")
        } else if let Some(rest) = path.strip_prefix("/~/").or_else(|| path.strip_prefix("~/")) {
            home(rest)
        } else if path.starts_with('/') {
            path.to_owned()
        } else {
            home(path)
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in full.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                name => parts.push(name),
            }
        }
        Some(Self(format!("/{}", parts.join("/"))))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With a slash at the end, as access rules write it.
    pub fn as_directory(&self) -> String {
        if self.0 == "/" { "/".to_owned() } else { format!("{}/", self.0) }
    }

    /// Relative to the top, for [`Dir`]; `.` for the top itself.
    pub fn relative(&self) -> &Path {
        Path::new(if self.0 == "/" { "." } else { &self.0[1..] })
    }

    pub fn is_top(&self) -> bool {
        self.0 == "/"
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    pub fn parent(&self) -> Self {
        match self.0.rsplit_once('/') {
            Some(("", _)) | None => Self("/".to_owned()),
            Some((parent, _)) => Self(parent.to_owned()),
        }
    }

    pub fn join(&self, name: &str) -> Self {
        Self(format!("{}{name}", self.as_directory()))
    }

    fn from_relative(path: &Path) -> Self {
        let parts: Vec<String> = path
            .components()
            .filter_map(|part| match part {
                std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
                _ => None,
            })
            .collect();
        Self(format!("/{}", parts.join("/")))
    }
}

/// The directory of a collection, held open; no operation through it can reach outside.
pub(crate) struct Sandbox {
    pub dir: Dir,
}

impl Sandbox {
    /// Opens the directory of a collection, or the part of it that a guest collection shares.
    pub fn open(directory: &Path, inside: Option<&str>) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(directory, ambient_authority())?;
        let dir = match inside.and_then(|path| Virtual::parse(path, "/")) {
            Some(path) if !path.is_top() => dir.open_dir(path.relative())?,
            _ => dir,
        };
        Ok(Self { dir })
    }

    /// Where a path really leads, symbolic links followed; an error when that is outside.
    pub fn real(&self, path: &Virtual) -> io::Result<Virtual> {
        if path.is_top() {
            return Ok(path.clone());
        }
        self.dir.canonicalize(path.relative()).map(|real| Virtual::from_relative(&real))
    }

    /// Like [`Self::real`], for a path that may not exist yet: its nearest existing ancestor is followed.
    pub fn real_or_new(&self, path: &Virtual) -> io::Result<Virtual> {
        match self.real(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_top() => {
                Ok(self.real_or_new(&path.parent())?.join(path.name()))
            }
            other => other,
        }
    }
}

/// Joins a seed's directory to the simulator's root.
pub(crate) fn under(root: &Path, directory: &Path) -> PathBuf {
    if directory.is_absolute() { directory.to_owned() } else { root.join(directory) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_as_transfer_takes_them() {
        for (path, expected) in [
            ("/", "/"),
            ("", "/home"),
            ("/~/", "/home"),
            ("~/a", "/home/a"),
            ("a/b/", "/home/a/b"),
            ("/a//b/./c", "/a/b/c"),
            ("/../../etc", "/etc"),
            ("/a/../b", "/b"),
        ] {
            assert_eq!(Virtual::parse(path, "/home").unwrap().as_str(), expected, "{path}");
        }
        assert_eq!(Virtual::parse("/a\0b", "/"), None);
    }

    #[test]
    fn a_link_to_the_outside_leads_nowhere() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        let inside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), inside.path().join("link")).unwrap();
        std::fs::create_dir(inside.path().join("d")).unwrap();
        std::os::unix::fs::symlink("d", inside.path().join("good")).unwrap();
        let sandbox = Sandbox::open(inside.path(), None).unwrap();
        let path = |text| Virtual::parse(text, "/").unwrap();
        assert!(sandbox.real(&path("/link/secret")).is_err());
        assert!(sandbox.dir.read("link/secret").is_err());
        assert!(sandbox.dir.create_dir("link/new").is_err());
        assert_eq!(sandbox.real(&path("/good")).unwrap(), path("/d"));
        assert_eq!(sandbox.real_or_new(&path("/good/x/y")).unwrap(), path("/d/x/y"));
    }

    proptest! {
        #[test]
        fn nothing_climbs_out(path in "[./~a\\\\ ]{0,30}") {
            let parsed = Virtual::parse(&path, "/home").unwrap();
            prop_assert!(parsed.as_str().starts_with('/'));
            prop_assert!(!parsed.relative().components().any(|part| part == std::path::Component::ParentDir));
            prop_assert!(parsed.relative().is_relative());
        }
    }
}
