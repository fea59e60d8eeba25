//! From a guest's question to questions for ports: one for a network, two for a router.

use super::{
    client::RestClient,
    options::{NeutronOptions, RestPlace},
    page::{PortAnswer, PortPage, PortQuestion},
    password::NeutronUser,
    token::KeystoneTokens,
    trouble::{NeutronTrouble, RestFault},
};
use crate::directory::{NoOccupant, Occupant, Question};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use nsgate_config::{Identity, Uuid};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Networks in one question. Servers bound the length of a request's first line: uwsgi takes 4,096 bytes of a head.
const NETWORKS_AT_ONCE: usize = 40;
/// Pages of an answer. A server's `pagination_max_limit` makes them.
const MOST_PAGES: usize = 64;

const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

#[derive(Debug)]
pub(super) struct NeutronPorts {
    neutron: RestClient,
    tokens: Option<KeystoneTokens>,
}

impl NeutronPorts {
    pub(super) fn new(options: &NeutronOptions, user: Option<(RestPlace, NeutronUser)>) -> Self {
        let tokens = user.map(|(keystone, user)| KeystoneTokens::new(RestClient::new(keystone, options), user));
        Self { neutron: RestClient::new(options.neutron.clone(), options), tokens }
    }

    /// How many tokens Keystone gave.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens.as_ref().map_or(0, KeystoneTokens::given)
    }

    /// The one instance that `question` names, or why Neutron names none.
    pub(super) async fn who(
        &self,
        question: &Question,
        deadline: Instant,
    ) -> Result<Result<Occupant, NoOccupant>, NeutronTrouble> {
        let networks = match question.place {
            Identity::Network(network) | Identity::OvnNetwork(network) => vec![network],
            Identity::Router(router) => self.networks(router, deadline).await?,
        };
        let mut found = BTreeMap::new();
        for networks in networks.chunks(NETWORKS_AT_ONCE) {
            found.extend(self.ports(&PortQuestion::Guest(networks, question.caller), deadline).await?);
        }
        let mut ports = found.into_values();
        Ok(match (ports.next(), ports.len()) {
            (None, _) => Err(NoOccupant::NoPort),
            (Some(port), 0) => occupant(&port),
            (Some(_), more) => Err(NoOccupant::SeveralPorts(1 + more)),
        })
    }

    /// The networks that a router has an interface in, each once.
    async fn networks(&self, router: Uuid, deadline: Instant) -> Result<Vec<Uuid>, NeutronTrouble> {
        let ports = self.ports(&PortQuestion::Router(router), deadline).await?;
        let mut networks: Vec<Uuid> = ports.values().filter_map(|port| port.network_id.parse().ok()).collect();
        let mut seen = std::collections::HashSet::new();
        networks.retain(|network| seen.insert(*network));
        Ok(networks)
    }

    /// All pages of an answer, by the ports' ids.
    async fn ports(
        &self,
        question: &PortQuestion<'_>,
        deadline: Instant,
    ) -> Result<BTreeMap<String, PortAnswer>, NeutronTrouble> {
        let mut found = BTreeMap::new();
        let mut marker: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let page = self.page(question, marker.as_deref(), deadline).await?;
            marker = page.next().map(str::to_owned);
            found.extend(page.ports.into_iter().map(|port| (port.id.clone(), port)));
            if marker.is_none() {
                return Ok(found);
            }
        }
        Err(self.fault(RestFault::Endless(MOST_PAGES)))
    }

    async fn page(
        &self,
        question: &PortQuestion<'_>,
        marker: Option<&str>,
        deadline: Instant,
    ) -> Result<PortPage, NeutronTrouble> {
        let target = question.target(marker);
        let mut refused: Option<HeaderValue> = None;
        loop {
            let token = match &self.tokens {
                Some(tokens) => Some(tokens.token(refused.as_ref(), deadline).await?),
                None => None,
            };
            let header = token.clone().map(|token| (TOKEN, token));
            let answer = self.neutron.ask(Method::GET, &target, header, Bytes::new(), deadline).await;
            let answer = answer.map_err(|fault| self.fault(fault))?;
            return match (answer.status, token) {
                (StatusCode::OK, _) => PortPage::read(&answer.body, question).map_err(|fault| self.fault(fault)),
                (StatusCode::UNAUTHORIZED, Some(token)) if refused.is_none() => {
                    refused = Some(token);
                    continue;
                }
                (StatusCode::UNAUTHORIZED, token) => Err(self.unauthorized(token.is_some())),
                (StatusCode::FORBIDDEN, _) => Err(NeutronTrouble::Policy(self.neutron.authority().to_owned())),
                (other, _) => Err(self.fault(RestFault::Status(other))),
            };
        }
    }

    fn unauthorized(&self, shown: bool) -> NeutronTrouble {
        let why = match shown {
            true => "it does not take a token that Keystone has just given; does it ask the same Keystone (auth_url)?",
            false => "it wants a token; write auth_url, username, project and password_file",
        };
        NeutronTrouble::Token(self.neutron.authority().to_owned(), why)
    }

    fn fault(&self, fault: RestFault) -> NeutronTrouble {
        NeutronTrouble::Neutron(self.neutron.authority().to_owned(), fault)
    }
}

fn occupant(port: &PortAnswer) -> Result<Occupant, NoOccupant> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Ok(Occupant::new(&text(&port.device_id), &text(&port.project_id))?)
}
