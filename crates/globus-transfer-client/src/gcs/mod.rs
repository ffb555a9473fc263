//! Globus Connect Server: the manager API of one server, for its collections, storage gateways, user
//! credentials and roles. Guest collections are created here.

mod collections;
mod create_collection;
mod credentials;
mod documents;
mod endpoint;
mod gateways;
mod roles;

use futures::stream::BoxStream;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;
use crate::lenient;
use crate::paging::pages;
use crate::scope::Scope;
use crate::service::Service;

pub use collections::ManagedCollections;
pub use create_collection::{CreateCollection, CreateManagedGuest};
pub use credentials::{CreateUserCredential, UserCredentials};
pub use documents::{
    ManagedCollection, ManagedRole, ManagerEndpoint, ManagerInfo, StorageGateway, UserCredential,
};

/// The calls of one Globus Connect Server; see
/// [`GlobusClient::connect_server`](crate::GlobusClient::connect_server) and
/// [`GlobusClient::connect_server_of`](crate::GlobusClient::connect_server_of).
#[derive(Clone)]
pub struct ConnectServer<'a> {
    core: &'a Core,
    service: Service,
    endpoint: Uuid,
}

impl<'a> ConnectServer<'a> {
    pub(crate) fn new(core: &'a Core, endpoint: Uuid, url: &str) -> Self {
        Self { core, service: Service::connect_server(endpoint, url), endpoint }
    }

    /// Finds the server of a collection by the collection's document in Transfer.
    pub(crate) async fn of(core: &'a Core, collection: Uuid) -> Result<Self> {
        #[derive(Deserialize)]
        struct Document {
            #[serde(default, deserialize_with = "lenient::or_default")]
            gcs_manager_url: Option<String>,
            /// On a Connect Server, endpoint records belong to the server itself.
            owner_id: Uuid,
            #[serde(default, deserialize_with = "lenient::or_default")]
            entity_type: Option<String>,
            #[serde(default, deserialize_with = "lenient::or_default")]
            high_assurance: bool,
        }
        let operation = format!("find the Connect Server of collection {collection}");
        let url = core.transfer_endpoint(&["endpoint", &collection.to_string()])?;
        let found: Document = core.transfer(Call::get(url, operation.as_str())).await?;
        let Some(url) = found.gcs_manager_url else {
            let why = "it is not on a Globus Connect Server";
            return Err(Error::local(ErrorKind::InvalidRequest, operation, why));
        };
        if !is_as_safe(&url, core.transfer_url.scheme()) {
            let why =
                format!("its server's address {url} doesn't begin with https://, so no token is sent there");
            return Err(Error::local(ErrorKind::InvalidResponse, operation, why));
        }
        let mut server = Self::new(core, found.owner_id, &url);
        if found.entity_type.as_deref() == Some("GCSv5_mapped_collection") && !found.high_assurance {
            // Guest collections on it need this consent, which one sign-in can give together with the other.
            let scope = Scope::manage_collections(found.owner_id).with(Scope::data_access(collection));
            server.service =
                Service::new(found.owner_id.to_string(), server.service.default_url().to_owned())
                    .scope(scope);
        }
        Ok(server)
    }

    /// The id of the endpoint, which is also its name as a resource server.
    pub fn endpoint_id(&self) -> Uuid {
        self.endpoint
    }

    /// The service, for [`GlobusClient::request`](crate::GlobusClient::request) of anything that has no
    /// method here.
    pub fn service(&self) -> &Service {
        &self.service
    }

    fn url(&self, segments: &[&str]) -> Result<url::Url> {
        self.core.endpoint(&self.service, segments)
    }

    /// Makes a call and returns the first document of a data type from the `result` document.
    async fn one<T: DeserializeOwned>(&self, call: Call, data_type: &str) -> Result<T> {
        let operation = call.operation.clone();
        let answer: Answer<Value> = self.core.call(&self.service, call).await?;
        let found = answer.data.into_iter().find(|document| {
            let name = document["DATA_TYPE"].as_str().and_then(|name| name.split('#').next());
            name == Some(data_type)
        });
        let unreadable = |why: String| Error::local(ErrorKind::InvalidResponse, operation.as_str(), why);
        let document =
            found.ok_or_else(|| unreadable(format!("the response has no {data_type} document")))?;
        serde_json::from_value(document).map_err(|error| unreadable(error.to_string()))
    }

    /// Makes a call whose answer says no more than that it worked.
    async fn done(&self, call: Call) -> Result<()> {
        self.core.call::<Value>(&self.service, call).await.map(|_| ())
    }

    /// Deletes something. When the response to a first attempt was lost and there is nothing any more, it is
    /// deleted.
    async fn delete(&self, what: &str, id: Uuid, operation: &str) -> Result<()> {
        let call = Call::delete(self.url(&[what, &id.to_string()])?, operation);
        match self.done(call).await {
            Err(error) if *error.kind() == ErrorKind::NotFound && error.may_have_been_done() => Ok(()),
            other => other,
        }
    }

    /// A list that comes page by page, each after a marker.
    fn list<T>(
        self,
        path: &'static str,
        query: Vec<(&'static str, String)>,
        operation: String,
    ) -> BoxStream<'a, Result<T>>
    where
        T: DeserializeOwned + Send + 'a,
    {
        pages(None::<String>, move |marker| {
            let (server, query, operation) = (self.clone(), query.clone(), operation.clone());
            async move {
                let mut call = Call::get(server.url(&[path])?, operation).query_if("marker", marker.as_ref());
                for (name, value) in &query {
                    call = call.query(name, value);
                }
                let page: Answer<T> = server.core.call(&server.service, call).await?;
                // The same marker again would be asked for again and again.
                let next = page.marker.filter(|next| !next.is_empty() && Some(next) != marker.as_ref());
                Ok((page.data, next.map(Some)))
            }
        })
    }
}

/// The `result` document of the manager API.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Answer<T> {
    #[serde(default = "Vec::new", deserialize_with = "lenient::items")]
    data: Vec<T>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    marker: Option<String>,
}

/// Whether a token may be sent to an address that a service with this scheme has named: a response over TLS
/// must not lead to a server without.
fn is_as_safe(url: &str, named_over: &str) -> bool {
    named_over == "http" || url.parse().is_ok_and(|url: url::Url| url.scheme() == "https")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_over_tls_leads_to_no_server_without() {
        for (url, named_over, expected) in [
            ("https://abc.data.globus.org", "https", true),
            ("http://abc.data.globus.org", "https", false),
            ("HTTP://abc.data.globus.org", "https", false),
            ("http://127.0.0.1:9700", "https", false),
            ("file:///etc/passwd", "https", false),
            ("abc.data.globus.org", "https", false),
            ("http://127.0.0.1:9700", "http", true),
        ] {
            assert_eq!(is_as_safe(url, named_over), expected, "{url} by {named_over}");
        }
    }
}
