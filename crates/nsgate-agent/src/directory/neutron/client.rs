//! Requests to one service of OpenStack's over kept connections (HTTP/1.1), with a deadline and a bound on the answer.

use super::{
    options::{NeutronOptions, RestPlace},
    trouble::RestFault,
};
use crate::{
    http_io::HttpIo,
    tls::{TlsServer, refusal},
    transport::Transport,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use std::{
    error::Error,
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    task::AbortHandle,
    time::{Instant, timeout, timeout_at},
};

/// How long a connection is kept while it carries nothing.
const KEPT_FOR: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct RestClient {
    place: RestPlace,
    authority: HeaderValue,
    kept: Mutex<Vec<(RestConnection, Instant)>>,
    connect: Duration,
    longest: usize,
    /// Connections that are kept.
    most: usize,
}

/// A connection. To drop it closes it.
#[derive(Debug)]
struct RestConnection {
    sender: SendRequest<Full<Bytes>>,
    task: AbortHandle,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct RestAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Drop for RestConnection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl RestClient {
    pub(super) fn new(place: RestPlace, options: &NeutronOptions) -> Self {
        let authority = HeaderValue::from_str(&place.authority).unwrap_or(HeaderValue::from_static("openstack"));
        Self {
            place,
            authority,
            kept: Mutex::default(),
            connect: options.connect,
            longest: options.longest_answer,
            most: options.questions,
        }
    }

    /// Host and port, for messages.
    pub(super) fn authority(&self) -> &str {
        &self.place.authority
    }

    /// Asks, and reads the whole answer. Each request here may be sent twice: a service may close a kept connection at the moment
    /// at which a request is sent over it.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        more: Option<(HeaderName, HeaderValue)>,
        body: Bytes,
        deadline: Instant,
    ) -> Result<RestAnswer, RestFault> {
        let request = || {
            let target = format!("{}{path}", self.place.prefix);
            let builder = Request::builder().method(method.clone()).uri(target);
            let builder = builder.header(header::HOST, &self.authority).header(header::ACCEPT, "application/json");
            let builder = match body.is_empty() {
                true => builder,
                false => builder.header(header::CONTENT_TYPE, "application/json"),
            };
            let builder = more.iter().fold(builder, |builder, (name, value)| builder.header(name, value));
            builder.body(Full::new(body.clone())).map_err(|error| RestFault::Unreachable(error.to_string()))
        };
        let exchange = async {
            while let Some(kept) = self.kept() {
                match self.exchange(kept, request()?).await {
                    Err(RestFault::Cut(_)) => {}
                    outcome => return outcome,
                }
            }
            self.exchange(self.connection().await?, request()?).await
        };
        timeout_at(deadline, exchange).await.unwrap_or(Err(RestFault::Silent))
    }

    async fn exchange(
        &self,
        mut connection: RestConnection,
        request: Request<Full<Bytes>>,
    ) -> Result<RestAnswer, RestFault> {
        let cut = |error: hyper::Error| match refusal(&error) {
            Some(refusal) => RestFault::Unreachable(refusal),
            None => RestFault::Cut(with_cause(&error)),
        };
        connection.sender.ready().await.map_err(cut)?;
        let response = connection.sender.send_request(request).await.map_err(cut)?;
        let (parts, body) = response.into_parts();
        let body = self.whole(body).await?;
        self.keep(connection);
        Ok(RestAnswer { status: parts.status, headers: parts.headers, body })
    }

    async fn whole(&self, body: Incoming) -> Result<Bytes, RestFault> {
        match Limited::new(body, self.longest).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(RestFault::Long(self.longest)),
            Err(error) => Err(RestFault::Cut(with_cause(error.as_ref()))),
        }
    }

    /// A new connection to the first address that takes one.
    async fn connection(&self) -> Result<RestConnection, RestFault> {
        let mut last = RestFault::Unreachable("it has no address".to_owned());
        for address in &self.place.addresses {
            match timeout(self.connect, connect(*address, self.place.tls.as_ref())).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => last = RestFault::Unreachable(format!("{address}: {error}")),
                Err(_) => {
                    let wait = self.connect.as_millis();
                    last = RestFault::Unreachable(format!("{address}: no connection in {wait} ms"));
                }
            }
        }
        Err(last)
    }

    fn kept(&self) -> Option<RestConnection> {
        let mut kept = self.lock();
        while let Some((connection, since)) = kept.pop() {
            if !connection.sender.is_closed() && since.elapsed() < KEPT_FOR {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: RestConnection) {
        let mut kept = self.lock();
        // The oldest is the first.
        kept.retain(|(connection, since)| !connection.sender.is_closed() && since.elapsed() < KEPT_FOR);
        if kept.len() < self.most {
            kept.push((connection, Instant::now()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(RestConnection, Instant)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// To shake hands is part of it.
async fn connect(address: SocketAddr, tls: Option<&TlsServer>) -> io::Result<RestConnection> {
    let transport = Transport::tcp(address, tls).await?;
    let (sender, connection) = handshake(HttpIo::new(transport)).await.map_err(io::Error::other)?;
    // Its errors are those of the request that it carries.
    let task = tokio::spawn(async move { drop(connection.await) }).abort_handle();
    Ok(RestConnection { sender, task })
}

/// An error with its cause, which hyper's own words leave out.
fn with_cause(error: &(dyn Error + 'static)) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
