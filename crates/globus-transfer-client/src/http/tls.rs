//! The HTTP client: rustls with ring, the machine's own root certificates.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use rustls_platform_verifier::BuilderVerifierExt;

use crate::error::{Error, ErrorKind, Result};

/// A host that doesn't take a connection in this time is away, whatever a whole call may take.
const CONNECT: Duration = Duration::from_secs(15);
/// Connections that were idle for longer aren't used again: load balancers close them after a minute, without notice.
const IDLE: Duration = Duration::from_secs(30);

/// Builds a client for these base URLs.
///
/// The crypto provider is given here and not installed for the process, so that the application stays free to choose
/// another one for itself.
pub(super) fn http_client(urls: &[&Url], user_agent: &str) -> Result<reqwest::Client> {
    let failed = |why: String| Error::local(ErrorKind::Network, "set up HTTP", why);
    let all_plain = urls.iter().all(|url| url.scheme() == "http");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    let mut config = match config.with_platform_verifier() {
        Ok(config) => config.with_no_client_auth(),
        // A bare machine without certificates must still reach a local service that speaks plain HTTP.
        Err(_) if all_plain => rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth(),
        Err(error) => {
            return Err(failed(error.to_string()).advise("install the system's root certificates (ca-certificates)"));
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

    let mut builder = reqwest::Client::builder()
        .user_agent(user_agent)
        // The API never redirects, and a token must not follow to another host.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .tls_backend_preconfigured(config);
    if urls.iter().all(|url| is_loopback(url)) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| failed(error.to_string()))
}

/// A proxy is never the way to this machine itself.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_for_the_real_service_can_be_built() {
        // Needs the machine's root certificates, as every user does.
        let url: Url = "https://auth.globus.org".parse().unwrap();
        http_client(&[&url], "test").unwrap();
    }

    #[test]
    fn loopback_is_known_in_every_spelling() {
        for (text, expected) in [
            ("http://127.0.0.1:9700", true),
            ("http://[::1]:9700", true),
            ("http://localhost:9700", true),
            ("https://auth.globus.org", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&text.parse().unwrap()), expected, "{text}");
        }
    }
}
