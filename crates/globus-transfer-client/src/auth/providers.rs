//! Identity providers: the login services that vouch for identities.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::core::Core;
use crate::error::Result;
use crate::http::Call;
use crate::lenient;
use crate::service::Service;

/// An identity provider, such as a university's login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IdentityProvider {
    /// The id.
    pub id: Uuid,
    /// The name for people.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: String,
    /// The name in short, such as `globusid`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub short_name: Option<String>,
    /// The domains of its usernames.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub domains: Vec<String>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

pub(super) async fn get(core: &Core, key: &str, wanted: &[String]) -> Result<Vec<IdentityProvider>> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(deserialize_with = "lenient::items")]
        identity_providers: Vec<IdentityProvider>,
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let url = core.auth_endpoint(&["v2", "api", "identity_providers"])?;
    let call = Call::get(url, "get identity providers").query(key, wanted.join(","));
    let page: Page = core.call(&Service::auth(), call).await?;
    Ok(page.identity_providers)
}
