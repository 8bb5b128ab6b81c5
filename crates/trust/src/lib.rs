//! Whom we believe when the database or the broker says by TLS who it is. Certificates are always verified, the chain and the name: there is
//! no way of speaking TLS with somebody unknown.
//!
//! Depends on no other room and opens no connection. All of it is in this file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt;

/// Why nobody can be believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// There is no such file, or it is no PEM.
    #[error("{file} cannot be read: {why}")]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        why: pem::Error,
    },
    /// The file names no authority.
    #[error("{0} holds no certificate of an authority")]
    Empty(PathBuf),
    /// The machine names none, or the versions of TLS that are built in do not fit.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// How to speak TLS with a server that the authorities in this file (PEM) vouch for, and no others; without a file, one that this machine's
/// authorities vouch for. The file is read anew each time, so that an authority that was replaced is known to the next connection.
pub fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, TrustError> {
    match ca_file {
        Some(file) => {
            let authorities = authorities(file)?;
            let builder = builder()?.with_root_certificates(authorities);
            Ok(builder.with_no_client_auth())
        }
        None => Ok(OF_THE_MACHINE.clone()?),
    }
}

/// They are many: read once.
static OF_THE_MACHINE: LazyLock<Result<ClientConfig, rustls::Error>> =
    LazyLock::new(|| Ok(builder()?.with_platform_verifier()?.with_no_client_auth()));

fn authorities(file: &Path) -> Result<RootCertStore, TrustError> {
    let unreadable = |why| TrustError::Unreadable {
        file: file.to_owned(),
        why,
    };
    let certificates = CertificateDer::pem_file_iter(file).map_err(unreadable)?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(certificates.map_err(unreadable)?);
    if authorities.is_empty() {
        return Err(TrustError::Empty(file.to_owned()));
    }
    Ok(authorities)
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_authority_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt");
        let refused = || tls(Some(&file)).unwrap_err().to_string();
        assert!(refused().contains("ca.crt cannot be read"), "{}", refused());
        for nothing in ["", "no PEM at all\n"] {
            std::fs::write(&file, nothing).unwrap();
            assert!(refused().contains("holds no certificate"), "{}", refused());
        }
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&file, broken).unwrap();
        assert!(refused().contains("holds no certificate"), "{}", refused());
    }
}
