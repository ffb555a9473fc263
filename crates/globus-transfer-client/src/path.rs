//! Paths on collections: absolute, with `/` as the separator and at the end of directories.

use url::Url;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};

/// The path of a directory in the form that Globus expects: `/` in front and at the end, no empty or `.`
/// components.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for a path that isn't absolute (`/…`, `/~/…` or `~/…`), or has `..` or a NUL
/// in it.
///
/// ```
/// use globus_transfer_client::path;
///
/// assert_eq!(path::directory("/2026-03//./Li")?, "/2026-03/Li/");
/// assert!(path::directory("/2026-03/../etc").is_err());
/// # Ok::<(), globus_transfer_client::Error>(())
/// ```
pub fn directory(path: &str) -> Result<String> {
    let parts = components(path)?;
    if parts.is_empty() {
        return Ok("/".to_owned());
    }
    Ok(format!("/{}/", parts.join("/")))
}

/// A directory and its parents, the topmost first, without the root and without the home directory (`/~/`).
///
/// ```
/// use globus_transfer_client::path;
///
/// assert_eq!(path::directory_and_parents("/~/2026-03/Li")?, ["/~/2026-03/", "/~/2026-03/Li/"]);
/// # Ok::<(), globus_transfer_client::Error>(())
/// ```
///
/// # Errors
/// As [`directory`].
pub fn directory_and_parents(path: &str) -> Result<Vec<String>> {
    let parts = components(path)?;
    let first = usize::from(parts.first() == Some(&"~"));
    Ok((first..parts.len()).map(|last| format!("/{}/", parts[..=last].join("/"))).collect())
}

/// The page of Globus's file manager that opens a directory.
///
/// ```
/// use globus_transfer_client::path;
///
/// let collection = "313ce13e-b597-5858-ae13-29e46fea26e6".parse()?;
/// let link = path::file_manager_link(&"https://app.globus.org".parse()?, collection, "/2026-03/Li")?;
/// assert_eq!(
///     link.as_str(),
///     "https://app.globus.org/file-manager?origin_id=313ce13e-b597-5858-ae13-29e46fea26e6&origin_path=%2F2026-03%2FLi%2F"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`directory`]; and for a web address that can't have a path.
pub fn file_manager_link(web: &Url, collection: Uuid, path: &str) -> Result<Url> {
    let mut link = crate::http::endpoint(web, &["file-manager"])?;
    link.query_pairs_mut()
        .append_pair("origin_id", &collection.to_string())
        .append_pair("origin_path", &directory(path)?);
    Ok(link)
}

fn components(path: &str) -> Result<Vec<&str>> {
    let rejected =
        |why: &str| Err(Error::local(ErrorKind::InvalidRequest, format!("use the path {path:?}"), why));
    if !path.starts_with('/') && path != "~" && !path.starts_with("~/") {
        return rejected("it must begin with / or ~/");
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return rejected("'..' is not allowed");
    }
    if path.contains('\0') {
        return rejected("it contains a NUL character");
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_directory_is_absolute_and_stays_below(path in "(/|~/)?([a-zA-Z0-9._ ~é-]{0,6}/){0,6}[.a]{0,3}") {
            match directory(&path) {
                Ok(made) => {
                    prop_assert!(made.starts_with('/') && made.ends_with('/'));
                    prop_assert!(made.split('/').all(|part| part != ".." && part != "."));
                    prop_assert!(!made.contains("//"));
                    prop_assert_eq!(directory(&made).unwrap(), made, "a second time changes nothing");
                }
                Err(_) => prop_assert!(
                    path.split('/').any(|part| part == "..") || !(path.starts_with('/') || path.starts_with("~/"))
                ),
            }
        }

        #[test]
        fn each_directory_is_the_parent_of_the_next(path in "/([a-z~. ]{1,5}/){1,6}") {
            prop_assume!(directory(&path).is_ok());
            let all = directory_and_parents(&path).unwrap();
            for pair in all.windows(2) {
                let name = pair[1].strip_prefix(&pair[0]).unwrap().strip_suffix('/').unwrap();
                prop_assert!(!name.is_empty() && !name.contains('/'));
            }
            let whole = directory(&path).unwrap();
            prop_assert!(all.is_empty() == (whole == "/" || whole == "/~/"));
            prop_assert!(all.last().is_none_or(|last| *last == whole));
        }

        #[test]
        fn a_link_carries_the_path_unchanged(path in "/\\PC{0,30}") {
            prop_assume!(directory(&path).is_ok());
            let link = file_manager_link(&"https://app.globus.org".parse().unwrap(), Uuid::nil(), &path).unwrap();
            let read: Url = link.as_str().parse().unwrap();
            let carried = read.query_pairs().find(|(key, _)| key == "origin_path").unwrap().1.into_owned();
            prop_assert_eq!(carried, directory(&path).unwrap());
            prop_assert!(link.as_str().starts_with("https://app.globus.org/file-manager?origin_id="));
        }
    }

    #[test]
    fn the_root_and_the_home_directory_are_kept() {
        assert_eq!(directory("/").unwrap(), "/");
        assert_eq!(directory("~").unwrap(), "/~/");
        assert!(directory_and_parents("/").unwrap().is_empty());
        assert!(directory_and_parents("/~/").unwrap().is_empty());
        assert!(directory("").is_err());
        assert!(directory("a/b").is_err());
        assert!(directory("/a\0b").is_err());
    }
}
