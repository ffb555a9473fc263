//! Replays the requests in their order, with the ids that the simulator gives in the place of the recorded
//! ones.

use std::collections::{BTreeMap, HashMap};

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::Uuid;

use super::Comparison;
use super::differences;
use super::read::{Answer, Exchange, Service};
use super::world::{Recorded, consent, token};
use crate::routes;

/// The largest response that is read.
const LARGEST: usize = 256 << 20;

pub(super) async fn replay(exchanges: &[Exchange], recorded: Recorded) -> Comparison {
    let router = routes::router(&recorded.world);
    let mut ids = Ids { replayed: HashMap::new(), known: recorded.known.into_iter().collect() };
    let mut comparison = Comparison::default();
    for exchange in exchanges {
        let call = exchange.call();
        let Some(answer) = &exchange.response else {
            comparison.left_out.push(format!("{} {call}: there was no response", exchange.number));
            continue;
        };
        if exchange.path().contains("/oauth2/") && !exchange.path().ends_with("/userinfo") {
            let scope =
                exchange.request.body.as_ref().and_then(|body| body.form.as_ref()?.get("scope")?.as_str());
            if let (Some(scope), true) = (scope, exchange.succeeded()) {
                consent(&recorded.world, scope);
            }
            comparison.left_out.push(format!("{} {call}: a sign-in cannot be replayed", exchange.number));
            continue;
        }
        let server = recorded.world.state().servers.keys().next().copied();
        let Some(request) = request(exchange, &ids, server) else {
            comparison
                .left_out
                .push(format!("{} {call}: the request cannot be built again", exchange.number));
            continue;
        };
        let response = match router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(infallible) => match infallible {},
        };
        let status = response.status().as_u16();
        let headers: BTreeMap<String, String> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        let body = axum::body::to_bytes(response.into_body(), LARGEST).await.unwrap_or_default();
        let document: Option<Value> = serde_json::from_slice(&body).ok();
        if let Some(stranger) = ids.stranger(exchange)
            && answer.status < 300
            && status == 404
        {
            comparison
                .left_out
                .push(format!("{} {call}: {stranger} is from before the transcript", exchange.number));
            continue;
        }
        comparison.replayed += 1;
        if let (Some(before), Some(now)) = (exchange.document(), &document) {
            ids.learn(before, now);
        }
        let lines = compare(answer, status, &headers, document.as_ref());
        let all = comparison.differences.entry(call.clone()).or_default();
        for line in lines {
            if !all.contains(&line) {
                all.push(line);
            }
        }
        if all.is_empty() {
            comparison.differences.remove(&call);
        }
    }
    comparison
}

fn compare(
    answer: &Answer,
    status: u16,
    headers: &BTreeMap<String, String>,
    document: Option<&Value>,
) -> Vec<String> {
    let mut lines = Vec::new();
    if answer.status != status {
        lines.push(format!("status: {} from the service, {status} from the simulator", answer.status));
    }
    lines.extend(differences::headers(&answer.headers, headers));
    let code =
        |document: Option<&Value>| document.and_then(|document| document["code"].as_str().map(str::to_owned));
    let recorded = answer.body.as_ref().and_then(|body| body.json.as_ref());
    if (answer.status < 300) != (status < 300) {
        // A success and a refusal have no fields to compare.
        if let (Some(service), Some(simulator)) = (code(recorded), code(document)) {
            lines.push(format!("code: '{service}' from the service, '{simulator}' from the simulator"));
        }
        return lines;
    }
    match (recorded, document) {
        (Some(recorded), Some(replayed)) => lines.extend(differences::documents(recorded, replayed)),
        (Some(_), None) => lines.push("the document: only the service sends JSON".to_owned()),
        (None, Some(_)) => lines.push("the document: only the simulator sends JSON".to_owned()),
        (None, None) => {}
    }
    lines
}

fn request(exchange: &Exchange, ids: &Ids, server: Option<Uuid>) -> Option<Request<Body>> {
    let service = exchange.service();
    let mut path = ids.text(exchange.path());
    let mut bearer = token(service).to_owned();
    if service == Service::ConnectServer {
        let below = path.split_once("/api/")?.1.to_owned();
        path = format!("/gcs/{}/api/{below}", server?);
        bearer = format!("{bearer}-{}", server?);
    }
    if !exchange.request.query.is_empty() {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &exchange.request.query {
            query.append_pair(name, &ids.text(value));
        }
        path = format!("{path}?{}", query.finish());
    }
    let mut request = Request::builder().method(exchange.request.method.as_str()).uri(path);
    if exchange.request.authorization.is_some() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
    }
    let body = match &exchange.request.body {
        None => Body::empty(),
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(ids.text(&body.json.as_ref()?.to_string()))
        }
    };
    request.body(body).ok()
}

/// Which id of the simulator stands for which recorded one.
struct Ids {
    replayed: HashMap<Uuid, String>,
    /// Ids that are the same in both.
    known: std::collections::HashSet<Uuid>,
}

impl Ids {
    /// Learns from two documents of the same call what the simulator calls the objects of the service.
    fn learn(&mut self, recorded: &Value, replayed: &Value) {
        match (recorded, replayed) {
            (Value::Object(recorded), Value::Object(replayed)) => {
                for (field, value) in recorded {
                    if let Some(other) = replayed.get(field) {
                        self.learn(value, other);
                    }
                }
            }
            (Value::Array(recorded), Value::Array(replayed)) => {
                for (value, other) in recorded.iter().zip(replayed) {
                    self.learn(value, other);
                }
            }
            (Value::String(recorded), Value::String(replayed)) => {
                if let Ok(id) = Uuid::parse_str(recorded)
                    && !self.known.contains(&id)
                    && Uuid::parse_str(replayed).is_ok()
                {
                    self.replayed.entry(id).or_insert_with(|| replayed.clone());
                }
            }
            _ => {}
        }
    }

    /// A text with the simulator's ids in the place of the recorded ones.
    fn text(&self, text: &str) -> String {
        const LENGTH: usize = 36;
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            match rest.get(..LENGTH).and_then(|start| Uuid::parse_str(start).ok()) {
                Some(id) => {
                    out.push_str(self.replayed.get(&id).map_or(&rest[..LENGTH], String::as_str));
                    rest = &rest[LENGTH..];
                }
                None => {
                    out.push(letter);
                    rest = &rest[letter.len_utf8()..];
                }
            }
        }
        out
    }

    /// An id of the path that neither the seed nor an earlier response explains.
    fn stranger(&self, exchange: &Exchange) -> Option<Uuid> {
        let mut ids = exchange.path().split('/').filter_map(|part| Uuid::parse_str(part).ok());
        ids.find(|id| !self.known.contains(id) && !self.replayed.contains_key(id))
    }
}
