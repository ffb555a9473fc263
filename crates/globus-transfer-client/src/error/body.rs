//! Reads the body of an error answer.
//!
//! Globus has two formats and a half: Transfer's `{"code", "message", "request_id"}`, JSON:API's
//! `{"errors": [{"id", "code", "title", "detail"}]}` of Auth, and OAuth's `{"error", "error_description"}` of the
//! token endpoint, which Auth also adds to the second.

use serde_json::Value;

/// What an error answer says, whatever its format.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parsed {
    pub code: Option<String>,
    pub message: Option<String>,
    pub request_id: Option<String>,
    /// Scopes that would make the call succeed, of `ConsentRequired` and `dependent_consent_required`.
    pub required_scopes: Vec<String>,
    /// The session isn't enough (another identity, a policy, MFA): what the service says about it.
    pub session: Option<String>,
    /// The OAuth error, such as `invalid_grant`.
    pub oauth_error: Option<String>,
    /// The error isn't one that a storage endpoint gave as its answer.
    pub is_foreign_to_endpoint: bool,
}

impl Parsed {
    pub fn read(body: &[u8]) -> Self {
        let mut parsed = match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(object)) => Self::read_object(&Value::Object(object)),
            _ => Self { message: plain_text(body), ..Self::default() },
        };
        parsed.is_foreign_to_endpoint = !parsed
            .code
            .as_deref()
            .is_some_and(|code| code.starts_with("ExternalError") || code.starts_with("EndpointError"));
        parsed
    }

    fn read_object(body: &Value) -> Self {
        let errors: Vec<&Value> = body["errors"].as_array().map(|all| all.iter().collect()).unwrap_or_default();
        let first = errors.first().copied().unwrap_or(&Value::Null);
        let oauth_error = text(&body["error"]);

        let code = text(&body["code"]).or_else(|| text(&first["code"])).or_else(|| oauth_error.clone());
        let message = text(&body["message"])
            .or_else(|| messages(&errors))
            .or_else(|| text(&body["error_description"]))
            .or_else(|| text(&body["detail"]))
            .or_else(|| text(&body["title"]));
        let request_id = text(&body["request_id"]).or_else(|| one_id(&errors));

        Self {
            required_scopes: required_scopes(body, first),
            session: session(body).or_else(|| session(first)),
            code,
            message,
            request_id,
            oauth_error,
            is_foreign_to_endpoint: false,
        }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().filter_map(text).collect(),
        Value::String(all) => all.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect(),
        _ => Vec::new(),
    }
}

fn messages(errors: &[&Value]) -> Option<String> {
    let all: Vec<String> = errors
        .iter()
        .filter_map(|error| {
            text(&error["detail"]).or_else(|| text(&error["title"])).or_else(|| text(&error["message"]))
        })
        .collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Auth names the request in the id of its errors; with several different ids there is no one name.
fn one_id(errors: &[&Value]) -> Option<String> {
    let mut ids: Vec<String> = errors.iter().filter_map(|error| text(&error["id"])).collect();
    ids.dedup();
    (ids.len() == 1).then(|| ids.remove(0))
}

fn required_scopes(body: &Value, first: &Value) -> Vec<String> {
    [
        &body["required_scopes"],
        &body["required_scope"],
        &body["authorization_parameters"]["required_scopes"],
        &first["authorization_parameters"]["required_scopes"],
        &first["unapproved_scopes"],
    ]
    .into_iter()
    .map(texts)
    .find(|scopes| !scopes.is_empty())
    .unwrap_or_default()
}

fn session(body: &Value) -> Option<String> {
    let asked = body["authorization_parameters"].as_object()?;
    let named = |key: &str, words: &str| {
        let values = asked.get(key).map(texts).unwrap_or_default();
        (!values.is_empty()).then(|| format!("{words} {}", values.join(", ")))
    };
    let parts: Vec<String> = [
        asked.get("session_message").and_then(text),
        named("session_required_identities", "sign in with the identity"),
        named("session_required_single_domain", "sign in with an identity of"),
        named("session_required_policies", "satisfy the policies"),
        asked
            .get("session_required_mfa")
            .and_then(Value::as_bool)
            .filter(|required| *required)
            .map(|_| "sign in with a second factor".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// A proxy's or gateway's page: its words without the tags.
fn plain_text(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let mut plain = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                plain.push(' ');
            }
            c if !in_tag => plain.push(c),
            _ => {}
        }
    }
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    (!plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfer_errors_are_read() {
        let parsed = Parsed::read(
            br#"{"code": "ClientError.NotFound", "message": "no such dir", "request_id": "oUAA6Sq2P", "resource": "/x"}"#,
        );
        assert_eq!(parsed.code.as_deref(), Some("ClientError.NotFound"));
        assert_eq!(parsed.message.as_deref(), Some("no such dir"));
        assert_eq!(parsed.request_id.as_deref(), Some("oUAA6Sq2P"));
    }

    #[test]
    fn auth_errors_are_read() {
        let parsed = Parsed::read(
            br#"{"errors": [{"status": "401", "id": "e1", "code": "UNAUTHORIZED", "detail": "Call must be authenticated",
                "title": "Unauthorized"}], "error_description": "Unauthorized", "error": "unauthorized"}"#,
        );
        assert_eq!(parsed.code.as_deref(), Some("UNAUTHORIZED"));
        assert_eq!(parsed.message.as_deref(), Some("Call must be authenticated"));
        assert_eq!(parsed.request_id.as_deref(), Some("e1"));
        assert_eq!(parsed.oauth_error.as_deref(), Some("unauthorized"));
    }

    #[test]
    fn different_ids_name_no_request() {
        let parsed = Parsed::read(br#"{"errors": [{"id": "a", "detail": "x"}, {"id": "b", "detail": "y"}]}"#);
        assert_eq!(parsed.request_id, None);
        assert_eq!(parsed.message.as_deref(), Some("x; y"));
    }

    #[test]
    fn all_forms_of_missing_consent_are_read() {
        for body in [
            r#"{"code": "ConsentRequired", "message": "m", "required_scopes": ["s"]}"#,
            r#"{"code": "ConsentRequired", "message": "m", "required_scope": "s"}"#,
            r#"{"code": "ConsentRequired", "authorization_parameters": {"required_scopes": ["s"]}}"#,
            r#"{"error": "dependent_consent_required", "errors": [{"unapproved_scopes": ["s"]}]}"#,
        ] {
            assert_eq!(Parsed::read(body.as_bytes()).required_scopes, ["s"], "{body}");
        }
    }

    #[test]
    fn what_a_session_lacks_is_said() {
        let parsed = Parsed::read(
            br#"{"code": "AuthPolicyFailed", "authorization_parameters": {"session_message": "only for staff",
                "session_required_single_domain": ["anl.gov"], "session_required_mfa": true}}"#,
        );
        let said = parsed.session.unwrap();
        assert_eq!(said, "only for staff; sign in with an identity of anl.gov; sign in with a second factor");
    }

    #[test]
    fn other_bodies_give_their_words() {
        let parsed = Parsed::read(b"<html><h1>502 Bad Gateway</h1>\n<hr>nginx</html>");
        assert_eq!(parsed.message.as_deref(), Some("502 Bad Gateway nginx"));
        assert_eq!(Parsed::read(b"").message, None);
        assert_eq!(Parsed::read(b"[1]").message.as_deref(), Some("[1]"));
    }
}
