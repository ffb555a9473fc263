//! The web pages of the sign-in: choose an account, allow the app, copy the code.

use std::sync::Arc;

use axum::extract::{RawQuery, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use jiff::Timestamp;
use url::Url;
use uuid::Uuid;

use super::identities::pairs;
use super::{field, issue, token};
use crate::state::{AuthorizationCode, Challenge, State, World};

/// Seconds that a code is good for.
const CODE_SECONDS: u64 = 600;

/// What the app asked for, checked.
struct Wish {
    client: Uuid,
    app: String,
    redirect: Url,
    scopes: Vec<super::scope::Scope>,
}

/// Everything that must be right before a person is asked. Such an error is shown and never redirected (RFC
/// 6749, 4.1.2.1).
fn wish(state: &State, base: &str, query: &[(String, String)]) -> Result<Wish, String> {
    let client = field(query, "client_id").unwrap_or_default();
    let (client, app) = Uuid::parse_str(client)
        .ok()
        .and_then(|id| state.apps.get(&id).map(|app| (id, app)))
        .ok_or_else(|| format!("There is no app with the client id '{client}'."))?;
    let redirect = field(query, "redirect_uri").unwrap_or_default();
    let redirect = Url::parse(redirect)
        .map_err(|error| format!("The redirect_uri '{redirect}' is not a URL: {error}."))?;
    let host = redirect.host_str().unwrap_or_default();
    let own = redirect.as_str().starts_with(&format!("{base}/"));
    if !own && !matches!(host, "localhost" | "127.0.0.1" | "[::1]") && redirect.scheme() != "https" {
        return Err(format!("The redirect_uri '{redirect}' is neither https nor local."));
    }
    if field(query, "response_type") != Some("code") {
        return Err("response_type must be 'code'.".to_owned());
    }
    if app.secret.is_none() && field(query, "code_challenge").is_none_or(str::is_empty) {
        return Err("A native app must send a code_challenge (PKCE).".to_owned());
    }
    let scopes =
        token::scopes(state, field(query, "scope").unwrap_or_default()).map_err(|error| error.detail)?;
    Ok(Wish { client, app: app.name.clone(), redirect, scopes })
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 \
         1rem;color:#1c2733}}h1{{font-size:1.4rem}}button{{font:inherit;padding:.5rem 1.2rem;margin:.3rem \
         .5rem .3rem 0}}label{{display:block;margin:.4rem 0}}code,input.code{{font:1rem \
         monospace;word-break:break-all}}input.code{{width:100%;padding:.6rem}}.note{{color:#5b6670;font-size:.9rem}}\
         </style></head><body><h1>{title}</h1>{body}\
         <p class=\"note\">This is the Globus simulator on this machine, not globus.org. \
         It asks for no password.</p></body></html>"
    );
    (status, [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")], Html(html))
        .into_response()
}

fn wrong(detail: &str) -> Response {
    page(StatusCode::BAD_REQUEST, "This sign-in can't go on", &format!("<p>{}</p>", escaped(detail)))
}

/// `GET /v2/oauth2/authorize`: the page that asks a person who they are and whether the app may.
pub(crate) async fn ask(Shared(world): Shared<Arc<World>>, RawQuery(query): RawQuery) -> Response {
    let query = pairs(query.as_deref());
    let state = world.state();
    let wish = match wish(&state, &world.base, &query) {
        Ok(wish) => wish,
        Err(detail) => return wrong(&detail),
    };
    let mut people: Vec<_> = state
        .identities
        .values()
        .filter(|identity| identity.name.is_some() && !state.apps.contains_key(&identity.id))
        .collect();
    people.sort_by(|a, b| a.username.cmp(&b.username));
    let choices: String = people
        .iter()
        .enumerate()
        .map(|(n, identity)| {
            format!(
                "<label><input type=\"radio\" name=\"username\" value=\"{0}\"{2}> {0} ({1})</label>",
                escaped(&identity.username),
                escaped(identity.name.as_deref().unwrap_or_default()),
                if n == 0 { " checked" } else { "" }
            )
        })
        .collect();
    let wanted: String = wish
        .scopes
        .iter()
        .map(|scope| format!("<li><code>{}</code>{}</li>", escaped(&scope.name), beneath(scope)))
        .collect();
    let hidden: String = query
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "username" | "decision"))
        .map(|(key, value)| {
            format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(key), escaped(value))
        })
        .collect();
    page(
        StatusCode::OK,
        "Sign in to Globus",
        &format!(
            "<form method=\"post\" action=\"/v2/oauth2/authorize\">{hidden}<p>Sign in as</p>{choices}\
             <p><b>{}</b> would like to</p><ul>{wanted}</ul>\
             <button name=\"decision\" value=\"allow\">Allow</button>\
             <button name=\"decision\" value=\"deny\">Deny</button></form>",
            escaped(&wish.app)
        ),
    )
}

fn beneath(scope: &super::scope::Scope) -> String {
    if scope.beneath.is_empty() {
        return String::new();
    }
    let inner: String = scope
        .beneath
        .iter()
        .map(|scope| format!("<li><code>{}</code>{}</li>", escaped(&scope.name), beneath(scope)))
        .collect();
    format!("<ul>{inner}</ul>")
}

/// `POST /v2/oauth2/authorize`: the person has decided; back to the app with a code or a refusal.
pub(crate) async fn decide(Shared(world): Shared<Arc<World>>, body: String) -> Response {
    match decision(&world, &pairs(Some(&body))) {
        Ok(target) => Redirect::to(target.as_str()).into_response(),
        Err(detail) => wrong(&detail),
    }
}

/// Where the form of the sign-in page leads to.
fn decision(world: &World, form: &[(String, String)]) -> Result<Url, String> {
    let mut state = world.state();
    let wish = wish(&state, &world.base, form)?;
    let mut target = wish.redirect.clone();
    let given = field(form, "state").map(str::to_owned);
    if field(form, "decision") == Some("allow") {
        let username = field(form, "username").unwrap_or_default();
        let identity = state
            .by_username(username)
            .filter(|identity| !state.apps.contains_key(&identity.id))
            .map(|identity| identity.id)
            .ok_or_else(|| format!("There is no account '{username}'."))?;
        let code = issue::secret("code");
        target.query_pairs_mut().append_pair("code", &code);
        state.codes.insert(code, granted(form, wish.client, identity));
    } else {
        target
            .query_pairs_mut()
            .append_pair("error", "access_denied")
            .append_pair("error_description", "The person denied the request");
    }
    if let Some(given) = given {
        target.query_pairs_mut().append_pair("state", &given);
    }
    Ok(target)
}

/// What the code stands for until it is exchanged.
fn granted(form: &[(String, String)], client: Uuid, identity: Uuid) -> AuthorizationCode {
    let text = |name: &str| field(form, name).unwrap_or_default().to_owned();
    AuthorizationCode {
        client,
        identity,
        scope: text("scope"),
        redirect_uri: text("redirect_uri"),
        challenge: field(form, "code_challenge").filter(|text| !text.is_empty()).map(|text| Challenge {
            text: text.to_owned(),
            plain: field(form, "code_challenge_method") == Some("plain"),
        }),
        offline: field(form, "access_type") == Some("offline"),
        state: field(form, "state").map(str::to_owned),
        nonce: field(form, "nonce").map(str::to_owned),
        expires: issue::after(Timestamp::now(), CODE_SECONDS),
    }
}

/// A person opens the link that an app printed, chooses the account and allows it; the answer is the code to
/// paste.
pub(crate) fn allow(world: &World, link: &str, username: &str) -> Result<String, String> {
    let link = Url::parse(link).map_err(|error| format!("'{link}' is not a link: {error}"))?;
    let mut form: Vec<(String, String)> = link.query_pairs().into_owned().collect();
    form.retain(|(name, _)| !matches!(name.as_str(), "username" | "decision"));
    form.push(("username".to_owned(), username.to_owned()));
    form.push(("decision".to_owned(), "allow".to_owned()));
    let target = decision(world, &form)?;
    target
        .query_pairs()
        .find(|(name, _)| name == "code")
        .map(|(_, code)| code.into_owned())
        .ok_or_else(|| "the sign-in gave no code".to_owned())
}

/// `GET /v2/web/auth-code`: shows the code, to be pasted into a terminal.
pub(crate) async fn show_code(RawQuery(query): RawQuery) -> Response {
    let query = pairs(query.as_deref());
    match field(&query, "code") {
        Some(code) => page(
            StatusCode::OK,
            "Native app authorization code",
            &format!(
                "<p>Copy this code and paste it where the app asks for it. It is good for ten minutes.</p>\
                 <input class=\"code\" id=\"auth-code\" readonly value=\"{}\" onfocus=\"this.select()\" \
                 autofocus>",
                escaped(code)
            ),
        ),
        None => wrong(field(&query, "error_description").unwrap_or("There is no code in this link.")),
    }
}
