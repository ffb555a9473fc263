//! HTTPS for the manager APIs: a certificate authority of this simulator's own, and a certificate by it.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::Error;

/// What HTTPS listeners need, and the authority that their clients must trust.
pub(crate) struct Tls {
    pub acceptor: TlsAcceptor,
    /// The certificate of the authority, PEM.
    pub authority: String,
}

/// Makes an authority and a certificate for the address and `localhost`.
pub(crate) fn make(address: IpAddr) -> Result<Tls, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Tls(error.to_string());
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "Globus simulator");
    let authority_key = KeyPair::generate().map_err(|error| failed(&error))?;
    let authority_certificate = authority.self_signed(&authority_key).map_err(|error| failed(&error))?;
    let issuer = Issuer::new(authority, authority_key);

    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).map_err(|error| failed(&error))?;
    leaf.subject_alt_names.push(SanType::IpAddress(address));
    leaf.distinguished_name.push(DnType::CommonName, "Simulated Connect Server");
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let certificate = leaf.signed_by(&key, &issuer).map_err(|error| failed(&error))?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key)
            })
            .map_err(|error| failed(&error))?;
    Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), authority: authority_certificate.pem() })
}
