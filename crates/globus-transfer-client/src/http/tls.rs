//! The HTTP client: TLS, proxy, CA certificates, timeouts.

use std::time::Duration;

use reqwest::Url;

use crate::error::{Error, ErrorKind, Result};

/// A host that doesn't accept a connection in this time is down, however long a whole call may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Idle connections aren't reused for longer: load balancers close them after a minute, without notice.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the HTTP client is built from.
#[derive(Debug, Clone)]
pub(crate) struct HttpSettings {
    pub user_agent: String,
    pub connect_timeout: Duration,
    pub proxy: Option<Url>,
    /// PEM documents with CA certificates that are trusted beside the system's.
    pub ca_certificates: Vec<Vec<u8>>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            proxy: None,
            ca_certificates: Vec::new(),
        }
    }
}

impl HttpSettings {
    /// Builds a client for these base URLs.
    pub fn build(&self, urls: &[&Url]) -> Result<reqwest::Client> {
        let mut builder = reqwest::Client::builder()
            .user_agent(&self.user_agent)
            .gzip(true)
            // The API never redirects, and a token must not follow to another host.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(IDLE_TIMEOUT);
        if let Some(proxy) = &self.proxy {
            let proxy = reqwest::Proxy::all(proxy.clone()).map_err(|error| failed(error.to_string()))?;
            builder = builder.proxy(proxy);
        } else if urls.iter().all(|url| is_loopback(url)) {
            builder = builder.no_proxy();
        }
        let is_plain = urls.iter().all(|url| url.scheme() == "http");
        let builder = with_tls(builder, &self.ca_certificates, is_plain)?;
        builder.build().map_err(|error| failed(error.to_string()))
    }
}

fn failed(why: String) -> Error {
    Error::local(ErrorKind::Network, "set up HTTP", why)
}

/// rustls with ring and the system's root certificates. The crypto provider is given to this client and not
/// installed for the process, so that the application can use another one.
#[cfg(feature = "rustls")]
fn with_tls(
    builder: reqwest::ClientBuilder,
    extra: &[Vec<u8>],
    is_plain: bool,
) -> Result<reqwest::ClientBuilder> {
    use std::sync::Arc;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use rustls_platform_verifier::Verifier;

    let mut certificates = Vec::new();
    for pem in extra {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            certificates.push(
                certificate.map_err(|error| failed(format!("the CA certificates can't be read: {error}")))?,
            );
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    let mut config = match Verifier::new_with_extra_roots(certificates, provider) {
        Ok(verifier) => {
            config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
        // A bare machine without certificates can still reach a local service that speaks plain HTTP.
        Err(_) if is_plain => {
            config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
        }
        Err(error) => return Err(failed(format!("the system's root certificates can't be used: {error}"))),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(builder.tls_backend_preconfigured(config))
}

/// The system's TLS library.
#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
fn with_tls(
    mut builder: reqwest::ClientBuilder,
    extra: &[Vec<u8>],
    _: bool,
) -> Result<reqwest::ClientBuilder> {
    for pem in extra {
        for certificate in reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|error| failed(format!("the CA certificates can't be read: {error}")))?
        {
            builder = builder.add_root_certificate(certificate);
        }
    }
    Ok(builder.tls_backend_native())
}

/// Without a TLS feature only `http://` addresses work, or a client that the application provides.
#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
fn with_tls(
    builder: reqwest::ClientBuilder,
    _: &[Vec<u8>],
    is_plain: bool,
) -> Result<reqwest::ClientBuilder> {
    if is_plain {
        return Ok(builder);
    }
    Err(failed("no TLS: enable the feature `rustls` or `native-tls`, or provide an HTTP client".to_owned()))
}

/// A proxy never leads to this machine itself.
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
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    fn a_client_for_the_real_service_can_be_built() {
        // Needs the machine's root certificates, as every user does.
        let url: Url = "https://auth.globus.org".parse().unwrap();
        HttpSettings::default().build(&[&url]).unwrap();
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
