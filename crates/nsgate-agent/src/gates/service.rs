//! One request of a gate's, from its head to the head of its answer.

use super::{
    Speaker,
    answer::{self, Body},
    question::{FORWARDED_FOR, question},
    record::{HopObserver, OpenRecord},
    refusal::GateRefusal,
};
use crate::{
    nova::{Nova, NovaRequest},
    signer::{Signed, Signer},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use nsgate_forwarder::{Seldom, passing_headers};
use std::{convert::Infallible, sync::Arc};

pub(super) struct Service<S> {
    signer: S,
    nova: Nova,
    plain: bool,
    observer: Arc<dyn HopObserver>,
}

impl<S: Signer> Service<S> {
    pub(super) fn new(signer: S, nova: Nova, plain: bool, observer: Arc<dyn HopObserver>) -> Self {
        Self { signer, nova, plain, observer }
    }

    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        speaker: Speaker,
    ) -> Result<Response<Body>, Infallible> {
        let mut record = OpenRecord::begin(&request, speaker, &self.observer);
        let outcome = self.carry(request, speaker, &mut record).await;
        match &outcome {
            Ok(response) => record.answered(response.status().as_u16(), None),
            Err(refusal) => record.answered(refusal.status().as_u16(), Some(refusal.reason())),
        }
        Ok(outcome.unwrap_or_else(answer::of_refusal))
    }

    async fn carry(
        &self,
        request: Request<Incoming>,
        speaker: Speaker,
        record: &mut OpenRecord,
    ) -> Result<Response<Body>, GateRefusal> {
        if speaker == Speaker::Plain && !self.plain {
            return Err(GateRefusal::plain());
        }
        let (head, body) = request.into_parts();
        let target = head.uri.into_parts().path_and_query.map(Uri::from);
        let Some(target) = target.filter(|_| head.method != Method::CONNECT) else {
            return Err(GateRefusal::bad("the request has no path"));
        };
        let (question, address, source) = question(&head.headers, speaker)?;
        (record.record.place, record.record.source) = (Some(question.place), Some(address));
        let before = record.elapsed();
        let signed = self.signer.sign(&question).await;
        let looked_up = record.elapsed();
        record.record.look_up_time = Some(looked_up.saturating_sub(before));
        let signed = signed.map_err(|why| GateRefusal::unknown(&question, &why))?;
        record.record.occupant = Some(signed.occupant.clone());
        let headers = headers(&head.headers, source, &signed)?;
        let instance = signed.occupant.instance();
        let request = NovaRequest { method: head.method, target, headers, body };
        let response = self.nova.ask(request, instance).await.map_err(|why| GateRefusal::nova(&question, &why))?;
        record.record.nova_time = Some(record.elapsed().saturating_sub(looked_up));
        if response.status() == StatusCode::FORBIDDEN {
            forbidden(instance);
        }
        let (place, caller, status) = (question.place.uuid(), question.caller, response.status().as_u16());
        let elapsed = record.elapsed().as_millis();
        tracing::debug!("{place}, {caller}: instance {instance} is answered {status} after {elapsed} ms");
        Ok(answer::of_nova(response))
    }
}

/// What Nova is sent: of the guest's what a gate lets pass, without its `host`, and who it is.
fn headers(of_guest: &HeaderMap, source: &HeaderValue, signed: &Signed) -> Result<HeaderMap, GateRefusal> {
    let mut headers = HeaderMap::with_capacity(16);
    for (name, value) in of_guest {
        if *name != header::HOST && passing_headers().iter().any(|passing| passing.name() == name.as_str()) {
            headers.append(name.clone(), value.clone());
        }
    }
    let own =
        |bytes: &[u8]| HeaderValue::from_bytes(bytes).map_err(|_| GateRefusal::bad("a value does not fit a header"));
    headers.insert(HeaderName::from_static(FORWARDED_FOR), source.clone());
    headers.insert(HeaderName::from_static("x-instance-id"), own(signed.occupant.instance().as_bytes())?);
    headers.insert(HeaderName::from_static("x-tenant-id"), own(signed.occupant.project().as_bytes())?);
    let mut signature = own(signed.signature.digits())?;
    signature.set_sensitive(true);
    headers.insert(HeaderName::from_static("x-instance-id-signature"), signature);
    Ok(headers)
}

/// Nova's answer passes; here is what it means as a rule (`nova/api/metadata/handler.py`).
fn forbidden(instance: &str) {
    static SELDOM: Seldom = Seldom::new();
    SELDOM.say(|more| {
        tracing::warn!(
            "Nova answers 403 for instance {instance}: as a rule the secret here and Nova's `metadata_proxy_shared_secret` \
             differ{more}"
        );
    });
}
