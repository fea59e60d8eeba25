//! TLS to a server: whose certificates are believed, and which certificate is shown (rustls: TLS 1.2 and 1.3).
//!
//! The authorities are the operator's own, and those of the system are not asked: what Nova or a database shows is signed by a few,
//! and each further one could speak for it. Each connection is verified anew; no session is resumed.

mod any_name;
mod pem;
mod socket;
mod trouble;
mod validity;

pub use pem::{PemText, TlsTrouble};
pub use socket::TlsStream;
pub(crate) use trouble::{in_words, refusal};

use any_name::AnyName;
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, ring::default_provider},
    pki_types::ServerName,
    sign::SingleCertAndKey,
};
use socket::OneBuffer;
use std::{fmt, io, net::IpAddr, sync::Arc};
use tokio::net::TcpStream;

/// What a client of TLS is made of: texts of files in PEM.
#[derive(Clone, Copy, Debug)]
pub struct TlsTexts<'a> {
    /// Certificates of the authorities that are believed. One at least.
    pub authorities: PemText<'a>,
    /// The certificate that is shown to a server that asks for one, with those that lead to its authority, and its private key.
    pub own: Option<[PemText<'a>; 2]>,
    /// Whether the server's certificate may have any name.
    pub any_name: bool,
}

/// A client of TLS. A clone is the same.
#[derive(Clone)]
pub struct TlsClient(Arc<ClientConfig>);

/// One server, and how it is known.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsClient {
    /// Reads the texts. The second value is what is odd about them, a sentence each.
    ///
    /// # Errors
    /// The file, what is wrong with it, and what to do.
    pub fn new(texts: &TlsTexts<'_>) -> Result<(Self, Vec<String>), TlsTrouble> {
        let provider = Arc::new(default_provider());
        let mut odd = Vec::new();
        let authorities = pem::authorities(&texts.authorities, &mut odd)?;
        let own = match &texts.own {
            Some([certificate, key]) => Some(pem::own(certificate, key, &mut odd)?),
            None => None,
        };
        let config = config(provider, authorities, own.map(SingleCertAndKey::from), texts.any_name);
        config.map(|config| (Self(Arc::new(config)), odd)).map_err(|error| TlsTrouble::Provider(error.to_string()))
    }

    /// A server of this host: an address, or the name that its certificate has.
    ///
    /// # Errors
    /// The host can be the name of no certificate.
    pub fn server(&self, host: &str) -> Result<TlsServer, TlsTrouble> {
        let name = match host.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(host.to_owned()).map_err(|_| TlsTrouble::Host(host.to_owned()))?,
        };
        Ok(TlsServer { config: self.0.clone(), name })
    }
}

fn config(
    provider: Arc<CryptoProvider>,
    authorities: RootCertStore,
    own: Option<SingleCertAndKey>,
    any_name: bool,
) -> Result<ClientConfig, rustls::Error> {
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = if any_name {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyName::new(authorities, algorithms)))
    } else {
        builder.with_root_certificates(authorities)
    };
    let mut config = match own {
        Some(own) => builder.with_client_cert_resolver(Arc::new(own)),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

impl TlsServer {
    /// Shakes hands over a connection that was made. To drop the future closes the connection.
    ///
    /// # Errors
    /// Why this is not the server, or why it refuses this client, in words for an operator.
    pub async fn shake_hands(&self, socket: TcpStream) -> io::Result<TlsStream> {
        let connector = tokio_rustls::TlsConnector::from(self.config.clone());
        let shaken = connector.connect(self.name.clone(), OneBuffer(socket)).await;
        shaken.map_err(|error| io::Error::other(in_words(&error)))
    }
}

/// Shows no key.
impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsServer({})", self.name.to_str())
    }
}
