//! Consents: what a person allowed an application to do.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::core::Core;
use crate::error::Result;
use crate::http::Call;
use crate::lenient;
use crate::service::Service;

/// A consent of a person to one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Consent {
    /// The id, unique for the person.
    pub id: i64,
    /// The application that has it.
    pub client: Uuid,
    /// The name of the scope.
    pub scope_name: String,
    /// The ids of the consents that it depends on, from the top to this one.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub dependency_path: Vec<i64>,
    /// When it was given.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created: Option<Timestamp>,
    /// When it was last used.
    #[serde(default, deserialize_with = "lenient::time")]
    pub last_used: Option<Timestamp>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

pub(super) async fn list(core: &Core, identity: Uuid) -> Result<Vec<Consent>> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(deserialize_with = "lenient::items")]
        consents: Vec<Consent>,
    }
    let url = core.auth_endpoint(&["v2", "api", "identities", &identity.to_string(), "consents"])?;
    let call = Call::get(url, format!("list the consents of the identity {identity}"));
    let page: Page = core.call(&Service::auth(), call).await?;
    Ok(page.consents)
}
