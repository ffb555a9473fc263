//! Reads the body of an error response.
//!
//! Globus uses three formats: Transfer's `{"code", "message", "request_id"}`, JSON:API's `{"errors": [{"id",
//! "code", "title", "detail"}]}` of Auth, and OAuth's `{"error", "error_description"}` of the token endpoint,
//! which Auth also adds to the second. A Connect Server adds the result of its own API to the lines of its
//! FTP reply, which Transfer quotes in `message`.

use serde_json::Value;

use super::AuthorizationParameters;
use crate::lenient::texts_of;

/// Marks the line of an FTP reply that holds the server's JSON result.
const JSON_RESULT: &str = "GridFTP-JSON-Result:";

/// What an error response says, whatever its format.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parsed {
    pub code: Option<String>,
    pub message: Option<String>,
    pub request_id: Option<String>,
    /// What the session or its consents lack.
    pub authorization: Option<AuthorizationParameters>,
    /// The JSON result of the Connect Server that the message quotes.
    pub endpoint_result: Option<Value>,
    /// The OAuth error, such as `invalid_grant`.
    pub oauth_error: Option<String>,
    /// Whether the storage endpoint failed, and not the service in front of it.
    pub is_from_endpoint: bool,
}

impl Parsed {
    pub fn read(body: &[u8]) -> Self {
        let mut parsed = match serde_json::from_slice::<Value>(body) {
            Ok(body @ Value::Object(_)) => Self::read_object(&body),
            _ => Self { message: plain_text(body), ..Self::default() },
        };
        parsed.is_from_endpoint = parsed
            .code
            .as_deref()
            .is_some_and(|code| code.starts_with("ExternalError") || code.starts_with("EndpointError"));
        parsed
    }

    fn read_object(body: &Value) -> Self {
        let mut errors: Vec<&Value> =
            body["errors"].as_array().map(|all| all.iter().collect()).unwrap_or_default();
        // Timers has one error as an object, and lists what is wrong with a document in `detail`.
        errors.extend(Some(&body["error"]).filter(|error| error.is_object()));
        errors.extend(body["detail"].as_array().into_iter().flatten());
        let first = errors.first().copied().unwrap_or(&Value::Null);
        let oauth_error = text(&body["error"]);
        let code = text(&body["code"]).or_else(|| text(&first["code"])).or_else(|| oauth_error.clone());
        let message = text(&body["message"])
            .or_else(|| messages(&errors))
            .or_else(|| text(&body["error_description"]))
            .or_else(|| text(&body["detail"]))
            .or_else(|| text(&body["title"]));
        let endpoint_result = message.as_deref().and_then(endpoint_result);
        Self {
            authorization: authorization(body, first, endpoint_result.as_ref().unwrap_or(&Value::Null)),
            request_id: text(&body["request_id"]).or_else(|| one_id(&errors)),
            code,
            message,
            endpoint_result,
            oauth_error,
            is_from_endpoint: false,
        }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn messages(errors: &[&Value]) -> Option<String> {
    let all: Vec<String> = errors
        .iter()
        .filter_map(|error| {
            text(&error["detail"])
                .or_else(|| text(&error["title"]))
                .or_else(|| text(&error["message"]))
                .or_else(|| invalid_field(error))
        })
        .collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// `{"loc": ["body", "start"], "msg": "field required"}`, as Timers rejects a field of a document.
fn invalid_field(error: &Value) -> Option<String> {
    let place: Vec<String> =
        error["loc"].as_array()?.iter().map(|part| text(part).unwrap_or_default()).collect();
    Some(format!("{}: {}", place.join("."), text(&error["msg"])?))
}

/// Auth names the request in the id of its errors. Several different ids don't name one request.
fn one_id(errors: &[&Value]) -> Option<String> {
    let mut ids: Vec<String> = errors.iter().filter_map(|error| text(&error["id"])).collect();
    ids.dedup();
    (ids.len() == 1).then(|| ids.remove(0))
}

/// The first JSON value behind the mark; the rest of the reply follows it.
fn endpoint_result(message: &str) -> Option<Value> {
    let (_, rest) = message.split_once(JSON_RESULT)?;
    serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()
}

fn authorization(body: &Value, first: &Value, endpoint: &Value) -> Option<AuthorizationParameters> {
    const KEY: &str = "authorization_parameters";
    let given = [&body[KEY], &first[KEY], &endpoint[KEY]].into_iter().find_map(AuthorizationParameters::read);
    // Older forms of missing consents.
    let scopes = [&body["required_scopes"], &body["required_scope"], &first["unapproved_scopes"]]
        .into_iter()
        .map(texts_of)
        .find(|scopes| !scopes.is_empty());
    match (given, scopes) {
        (None, None) => None,
        (given, scopes) => {
            let mut required = given.unwrap_or_default();
            if required.required_scopes.is_empty() {
                required.required_scopes = scopes.unwrap_or_default();
            }
            Some(required)
        }
    }
}

/// The words of a proxy's or gateway's page, without its tags.
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
    fn errors_of_timers_are_read() {
        let parsed =
            Parsed::read(br#"{"error": {"code": "ERROR", "detail": "Request failed", "status": 500}}"#);
        assert_eq!(
            (parsed.code.as_deref(), parsed.message.as_deref()),
            (Some("ERROR"), Some("Request failed"))
        );
        let parsed = Parsed::read(
            br#"{"detail": [{"loc": ["body", "start"], "msg": "field required", "type": "value_error.missing"}]}"#,
        );
        assert_eq!(parsed.message.as_deref(), Some("body.start: field required"));
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
            let parsed = Parsed::read(body.as_bytes());
            assert_eq!(parsed.authorization.unwrap().required_scopes, ["s"], "{body}");
        }
    }

    #[test]
    fn what_a_session_lacks_is_kept() {
        let parsed = Parsed::read(
            br#"{"code": "AuthPolicyFailed", "authorization_parameters": {"session_message": "only for staff",
                "session_required_identities": ["ada@example.org"], "session_required_policies": "p1,p2",
                "session_required_single_domain": ["example.org"], "session_required_mfa": true, "prompt": "login",
                "session_required_tomorrow": 1}}"#,
        );
        let required = parsed.authorization.unwrap();
        assert_eq!(required.session_message.as_deref(), Some("only for staff"));
        assert_eq!(required.session_required_identities, ["ada@example.org"]);
        assert_eq!(required.session_required_policies, ["p1", "p2"]);
        assert_eq!(required.session_required_single_domain, ["example.org"]);
        assert_eq!((required.session_required_mfa, required.prompt.as_deref()), (Some(true), Some("login")));
        assert_eq!(required.extra["session_required_tomorrow"], 1);
        assert!(required.requires_session());
    }

    #[test]
    fn the_result_of_the_storage_is_read_from_the_message() {
        let result = r#"{"DATA_TYPE": "result#1.1.0", "authorization_parameters": {"session_required_single_domain":
            ["example.org"]}, "code": "permission_denied", "http_response_code": 403, "message": "wrong domain"}"#
            .replace('\n', " ");
        let message = format!(
            "Login Failed\nDetails: 530-Login incorrect. : GlobusError: v=1 c=LOGIN_DENIED\\r\\n\
             530-GridFTP-Message: wrong domain\\r\\n530-GridFTP-JSON-Result: {result}\\r\\n530 End.\\r\\n"
        );
        let body =
            serde_json::json!({ "code": "ExternalError.DirListingFailed.LoginFailed", "message": message });
        let parsed = Parsed::read(body.to_string().as_bytes());
        assert_eq!(parsed.endpoint_result.unwrap()["code"], "permission_denied");
        assert_eq!(parsed.authorization.unwrap().session_required_single_domain, ["example.org"]);
    }

    #[test]
    fn other_bodies_give_their_words() {
        let parsed = Parsed::read(b"<html><h1>502 Bad Gateway</h1>\n<hr>nginx</html>");
        assert_eq!(parsed.message.as_deref(), Some("502 Bad Gateway nginx"));
        assert_eq!(Parsed::read(b"").message, None);
        assert_eq!(Parsed::read(b"[1]").message.as_deref(), Some("[1]"));
    }
}
