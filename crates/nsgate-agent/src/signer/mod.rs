//! Who asks, with a proof for Nova: what the process that carries requests asks of the one that knows the secret.
//!
//! Two processes as a rule: [`SignerClient`] in the one that reads guests' bytes, [`SignerService`] in the one that has the secret
//! and the directory. [`LocalSigner`] is both in one, for a program that confines itself in another way.

mod client;
mod frames;
mod service;

pub use client::{SignerClient, SignerLink};
pub use frames::Garbled;
pub use service::SignerService;

use crate::{
    directory::{Directory, NoOccupant, Occupant, Question},
    signature::{InstanceSignature, Secret},
};
use std::future::Future;

/// An instance, and the proof that this was found by a process which knows the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The instance and its project.
    pub occupant: Occupant,
    /// The signature of the instance's id.
    pub signature: InstanceSignature,
}

/// Names the instance behind an address, and signs its id.
pub trait Signer: Send + Sync + 'static {
    /// The one instance that `question` names, signed.
    ///
    /// # Errors
    /// Why no instance can be named.
    fn sign(&self, question: &Question) -> impl Future<Output = Result<Signed, NoOccupant>> + Send;
}

/// The signer in the same process as the one that carries requests.
#[derive(Debug)]
pub struct LocalSigner<D> {
    directory: D,
    secret: Secret,
}

impl<D: Directory> LocalSigner<D> {
    /// Looks up in `directory`, signs with `secret`.
    pub fn new(directory: D, secret: Secret) -> Self {
        Self { directory, secret }
    }
}

impl<D: Directory> Signer for LocalSigner<D> {
    async fn sign(&self, question: &Question) -> Result<Signed, NoOccupant> {
        let occupant = self.directory.who(question).await?;
        let signature = self.secret.sign(occupant.instance());
        Ok(Signed { occupant, signature })
    }
}
