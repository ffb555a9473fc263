//! Scope strings: `a b[c *d[e]]`, what service each belongs to, and what a consent path looks like.

/// Everything that Transfer offers.
pub(crate) const TRANSFER_ALL: &str = "urn:globus:auth:scope:transfer.api.globus.org:all";
/// Everything that Groups offers.
pub(crate) const GROUPS_ALL: &str = "urn:globus:auth:scope:groups.api.globus.org:all";
/// Reading the caller's own groups.
pub(crate) const GROUPS_VIEW: &str =
    "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships";
/// Timers, whose resource server is known by its id.
pub(crate) const TIMER: &str = "https://auth.globus.org/scopes/524230d7-ea86-4a52-8312-86065a9e0417/timer";
pub(crate) const AUTH_SERVER: &str = "auth.globus.org";

/// The scope that reading and writing a mapped collection's data needs beneath [`TRANSFER_ALL`].
pub(crate) fn data_access(collection: uuid::Uuid) -> String {
    format!("https://auth.globus.org/scopes/{collection}/data_access")
}

/// The scope of a Connect Server's manager API.
pub(crate) fn manage_collections(server: uuid::Uuid) -> String {
    format!("urn:globus:auth:scope:{server}:manage_collections")
}

/// One scope and those beneath it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub name: String,
    /// Marked `*`: can be revoked on its own.
    pub optional: bool,
    pub beneath: Vec<Scope>,
}

/// Reads a scope string. The error says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Vec<Scope>, String> {
    let mut rest = text;
    let scopes = parse_list(&mut rest, 0)?;
    if rest.is_empty() { Ok(scopes) } else { Err(format!("unexpected ']' in scope string '{text}'")) }
}

/// Deeper nesting than any real scope has is refused, so that no input can exhaust the stack.
const DEEPEST: usize = 16;

fn parse_list(rest: &mut &str, depth: usize) -> Result<Vec<Scope>, String> {
    if depth > DEEPEST {
        return Err("scope string is nested too deeply".to_owned());
    }
    let mut scopes = Vec::new();
    loop {
        *rest = rest.trim_start_matches(' ');
        if rest.is_empty() || rest.starts_with(']') {
            return Ok(scopes);
        }
        let optional = rest.starts_with('*');
        if optional {
            *rest = &rest[1..];
        }
        let end = rest.find([' ', '[', ']']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() || name.contains('*') {
            return Err(format!("no scope name before '{after}'"));
        }
        *rest = after;
        let mut beneath = Vec::new();
        if let Some(inner) = rest.strip_prefix('[') {
            *rest = inner;
            beneath = parse_list(rest, depth + 1)?;
            *rest = rest.strip_prefix(']').ok_or_else(|| format!("missing ']' after '{name}['"))?;
            if beneath.is_empty() {
                return Err(format!("nothing between the brackets of '{name}'"));
            }
        }
        scopes.push(Scope { name: name.to_owned(), optional, beneath });
    }
}

/// The resource server that a scope's tokens are for; none for a string that is no scope of Globus.
pub(crate) fn resource_server(scope: &str) -> Option<String> {
    if matches!(scope, "openid" | "profile" | "email") {
        return Some(AUTH_SERVER.to_owned());
    }
    if let Some(rest) = scope.strip_prefix("urn:globus:auth:scope:") {
        return rest
            .split_once(':')
            .filter(|(server, name)| !server.is_empty() && !name.is_empty())
            .map(|(server, _)| server.to_owned());
    }
    let rest = scope.strip_prefix("https://auth.globus.org/scopes/")?;
    let (owner, name) = rest.split_once('/')?;
    if owner.is_empty() || name.is_empty() {
        return None;
    }
    // Flows is known to its clients by its name, though its scopes carry its id.
    Some(match owner {
        "eec9b274-0c81-4334-bdc2-54e90e689b9a" => "flows.globus.org".to_owned(),
        "facd7ccc-c5f4-42aa-916b-a0e270e2c2a9" => "funcx_service".to_owned(),
        other => other.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nested_scopes() {
        let scopes = parse("openid t:all[*d1 d2[e]] email").unwrap();
        assert_eq!(scopes.len(), 3);
        assert_eq!(scopes[1].beneath.len(), 2);
        assert!(scopes[1].beneath[0].optional);
        assert_eq!(scopes[1].beneath[1].beneath[0].name, "e");
        for wrong in ["a[", "a]", "[a]", "a[]", "*", "a[b"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn whose_scope() {
        assert_eq!(resource_server(TRANSFER_ALL).as_deref(), Some("transfer.api.globus.org"));
        assert_eq!(resource_server("openid").as_deref(), Some(AUTH_SERVER));
        assert_eq!(resource_server("nonsense"), None);
        assert_eq!(resource_server("urn:globus:auth:scope:x"), None);
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "[a-c*\\[\\] ]{0,40}") {
            let _ = parse(&text);
        }
    }
}
