//! Scopes: what a token may be used for, with what it may do on behalf of the account further on.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::error::{Error, ErrorKind};

/// A scope, with the scopes that depend on it, written as Globus Auth does:
/// `scope[dependency *optional_dependency]`.
///
/// ```
/// use globus_transfer_client::Scope;
///
/// let collection = "313ce13e-b597-5858-ae13-29e46fea26e6".parse().unwrap();
/// let scope = Scope::transfer_all().with(Scope::data_access(collection).optional());
/// assert_eq!(
///     scope.to_string(),
///     "urn:globus:auth:scope:transfer.api.globus.org:all\
///      [*https://auth.globus.org/scopes/313ce13e-b597-5858-ae13-29e46fea26e6/data_access]"
/// );
/// assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    name: String,
    optional: bool,
    dependencies: Vec<Scope>,
}

impl Scope {
    /// A scope by its name, without dependencies.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when the name is empty or has spaces, brackets or a star in it.
    ///
    /// ```
    /// let openid = globus_transfer_client::Scope::named("openid")?;
    /// # Ok::<(), globus_transfer_client::Error>(())
    /// ```
    pub fn named(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        if name.is_empty()
            || name.contains(|c: char| c.is_whitespace() || c.is_control() || "[]*".contains(c))
        {
            return Err(invalid(&name, "a scope's name has no spaces, brackets or stars"));
        }
        Ok(Self::known(name))
    }

    /// All of Transfer.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Scope::transfer_all().name(), "urn:globus:auth:scope:transfer.api.globus.org:all");
    /// ```
    pub fn transfer_all() -> Self {
        Self::known("urn:globus:auth:scope:transfer.api.globus.org:all")
    }

    /// Looking up identities by username or id.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Scope::view_identities().name(), "urn:globus:auth:scope:auth.globus.org:view_identities");
    /// ```
    pub fn view_identities() -> Self {
        Self::known("urn:globus:auth:scope:auth.globus.org:view_identities")
    }

    /// Seeing the identities that the signed-in person has linked.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Scope::view_identity_set().name(), "urn:globus:auth:scope:auth.globus.org:view_identity_set");
    /// ```
    pub fn view_identity_set() -> Self {
        Self::known("urn:globus:auth:scope:auth.globus.org:view_identity_set")
    }

    /// The id of the signed-in account.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Scope::openid().name(), "openid");
    /// ```
    pub fn openid() -> Self {
        Self::known("openid")
    }

    /// The signed-in person's name and organization.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Scope::profile().name(), "profile");
    /// ```
    pub fn profile() -> Self {
        Self::known("profile")
    }

    /// The signed-in person's e-mail address.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Scope::email().name(), "email");
    /// ```
    pub fn email() -> Self {
        Self::known("email")
    }

    /// Access to the data of a mapped collection; a dependency of [`Scope::transfer_all`].
    ///
    /// Mapped collections require it unless they are high-assurance; guest collections don't.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let scope = Scope::transfer_all().with(Scope::data_access(uuid::Uuid::from_u128(1)));
    /// ```
    pub fn data_access(collection: Uuid) -> Self {
        Self::known(format!("https://auth.globus.org/scopes/{collection}/data_access"))
    }

    /// All of Groups.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Scope::groups_all().name(), "urn:globus:auth:scope:groups.api.globus.org:all");
    /// ```
    pub fn groups_all() -> Self {
        Self::known("urn:globus:auth:scope:groups.api.globus.org:all")
    }

    /// Creating and managing timers, which start transfers on behalf of the account.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert!(Scope::timers().dependencies().contains(&Scope::transfer_all()));
    /// ```
    pub fn timers() -> Self {
        Self::known("https://auth.globus.org/scopes/524230d7-ea86-4a52-8312-86065a9e0417/timer")
            .with(Scope::transfer_all())
    }

    /// Managing the collections of a Globus Connect Server endpoint.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let scope = Scope::manage_collections(uuid::Uuid::from_u128(1));
    /// assert!(scope.name().ends_with(":manage_collections"));
    /// ```
    pub fn manage_collections(endpoint: Uuid) -> Self {
        Self::known(format!("urn:globus:auth:scope:{endpoint}:manage_collections"))
    }

    /// Seeing the consents that the signed-in person has given.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert!(Scope::view_consents().name().contains("view_consents"));
    /// ```
    pub fn view_consents() -> Self {
        Self::known("urn:globus:auth:scope:auth.globus.org:view_consents")
    }

    fn known(name: impl Into<String>) -> Self {
        Self { name: name.into(), optional: false, dependencies: Vec::new() }
    }

    /// The name without dependencies.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!("a[b]".parse::<Scope>()?.name(), "a");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the account may decline it without the sign-in failing.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert!("*a".parse::<Scope>()?.is_optional());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// The scopes that depend on this one.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!("a[b c]".parse::<Scope>()?.dependencies().len(), 2);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn dependencies(&self) -> &[Scope] {
        &self.dependencies
    }

    /// The same scope, marked optional (`*`).
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Scope::email().optional().to_string(), "*email");
    /// ```
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Adds a dependency, or merges it with the one of the same name.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Scope::openid().with(Scope::email()).to_string(), "openid[email]");
    /// ```
    pub fn with(mut self, dependency: Scope) -> Self {
        merge_into(&mut self.dependencies, dependency);
        self
    }

    /// Whether a token for this scope, with these dependencies, also covers the other one.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert!("a[b c]".parse::<Scope>()?.covers(&"a[c]".parse()?));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn covers(&self, other: &Scope) -> bool {
        self.name == other.name
            && other
                .dependencies
                .iter()
                .all(|wanted| self.dependencies.iter().any(|have| have.covers(wanted)))
    }

    /// Reads scopes that are separated by spaces, and merges those of one name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when brackets don't match or a name is missing.
    ///
    /// ```
    /// use globus_transfer_client::Scope;
    ///
    /// let scopes = Scope::parse_all("a[b] openid a[*c]")?;
    /// assert_eq!(Scope::join(&scopes), "a[b *c] openid");
    /// # Ok::<(), globus_transfer_client::Error>(())
    /// ```
    pub fn parse_all(text: &str) -> Result<Vec<Scope>, Error> {
        let mut rest = text;
        let scopes = read_list(text, &mut rest, 0)?;
        if rest.is_empty() { Ok(scopes) } else { Err(invalid(text, "there is a ']' too many")) }
    }

    /// Writes scopes as Globus Auth reads them.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Scope::join(&[Scope::openid(), Scope::email()]), "openid email");
    /// ```
    pub fn join<'a>(scopes: impl IntoIterator<Item = &'a Scope>) -> String {
        scopes.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Adds scopes to others, merging those of one name: dependencies together, required before optional.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let mut scopes = Scope::parse_all("a openid")?;
    /// Scope::merge(&mut scopes, Scope::parse_all("a[b]")?);
    /// assert_eq!(Scope::join(&scopes), "a[b] openid");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn merge(scopes: &mut Vec<Scope>, more: impl IntoIterator<Item = Scope>) {
        more.into_iter().for_each(|scope| merge_into(scopes, scope));
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.optional {
            out.write_str("*")?;
        }
        out.write_str(&self.name)?;
        if !self.dependencies.is_empty() {
            write!(out, "[{}]", Scope::join(&self.dependencies))?;
        }
        Ok(())
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut scopes = Self::parse_all(text)?;
        match scopes.len() {
            1 => Ok(scopes.remove(0)),
            count => Err(invalid(text, &format!("it has {count} scopes, not one"))),
        }
    }
}

fn merge_into(scopes: &mut Vec<Scope>, scope: Scope) {
    match scopes.iter_mut().find(|have| have.name == scope.name) {
        Some(have) => {
            have.optional &= scope.optional;
            scope
                .dependencies
                .into_iter()
                .for_each(|dependency| merge_into(&mut have.dependencies, dependency));
        }
        None => scopes.push(scope),
    }
}

/// Reads up to the end or an unmatched `]`, which is left for the caller.
fn read_list(whole: &str, rest: &mut &str, depth: usize) -> Result<Vec<Scope>, Error> {
    // Deeper than Globus ever nests; keeps hostile text from using up the stack.
    const DEEPEST: usize = 32;
    if depth > DEEPEST {
        return Err(invalid(whole, "its brackets are nested too deep"));
    }
    let mut scopes = Vec::new();
    loop {
        *rest = rest.trim_start();
        if rest.is_empty() || rest.starts_with(']') {
            return Ok(scopes);
        }
        let optional = rest.starts_with('*');
        if optional {
            *rest = &rest[1..];
        }
        let end = rest.find(|c: char| c.is_whitespace() || "[]*".contains(c)).unwrap_or(rest.len());
        let mut scope = Scope::named(&rest[..end]).map_err(|_| invalid(whole, "a name is missing"))?;
        scope.optional = optional;
        *rest = &rest[end..];
        if let Some(inner) = rest.strip_prefix('[') {
            *rest = inner;
            scope.dependencies = read_list(whole, rest, depth + 1)?;
            *rest = rest.strip_prefix(']').ok_or_else(|| invalid(whole, "a ']' is missing"))?;
        }
        merge_into(&mut scopes, scope);
    }
}

fn invalid(text: &str, why: &str) -> Error {
    Error::local(ErrorKind::InvalidRequest, format!("read the scope {text:?}"), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope() -> impl Strategy<Value = Scope> {
        let leaf = ("[a-z:/.-]{1,12}", any::<bool>()).prop_map(|(name, optional)| Scope {
            name,
            optional,
            dependencies: Vec::new(),
        });
        leaf.prop_recursive(3, 16, 4, |inner| {
            ("[a-z:/.-]{1,12}", any::<bool>(), prop::collection::vec(inner, 0..4)).prop_map(
                |(name, optional, dependencies)| {
                    dependencies
                        .into_iter()
                        .fold(Scope { name, optional, dependencies: Vec::new() }, Scope::with)
                },
            )
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(scope in scope()) {
            prop_assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        }

        #[test]
        fn merging_covers_both(a in scope(), b in scope()) {
            let mut merged = vec![a.clone()];
            Scope::merge(&mut merged, [b.clone()]);
            for part in [a, b] {
                prop_assert!(merged.iter().any(|have| have.covers(&part)));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a\\[\\]* ]{0,40}") {
            if let Ok(scopes) = Scope::parse_all(&text) {
                prop_assert_eq!(Scope::parse_all(&Scope::join(&scopes)).unwrap(), scopes);
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["a[", "a]", "[a]", "*", "a[b", "a[]]", "a*b[", "a b"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
        assert!(Scope::parse_all(&"a[".repeat(10_000)).is_err());
    }
}
