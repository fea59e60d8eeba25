//! The directory that asks Neutron with tokens of Keystone's: when they are asked for, and what becomes of those that are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)]

#[path = "support/openstack.rs"]
mod openstack;

use nsgate_agent::directory::{
    NoOccupant,
    neutron::{NeutronDirectory, NeutronUser, UserPassword},
};
use openstack::{Reply, Small, answer, asks, away, one, options};
use std::time::Duration;

fn user() -> NeutronUser {
    let text = |text: &str| text.to_owned();
    NeutronUser {
        name: text("nsgate"),
        domain: text("Default"),
        project: text("service"),
        project_domain: text("Default"),
        password: UserPassword::new("swordfish\n".into()).unwrap(),
    }
}

/// Keystone: each token has the number of its request. `lasts` is in seconds.
async fn keystone(lasts: u32, status: impl Fn(usize) -> &'static str + Send + Sync + 'static) -> Small {
    Small::start(move |number, _| {
        let body = format!(
            "{{\"token\":{{\"issued_at\":\"2026-12-01T05:00:00.000000Z\",\"expires_at\":\"2026-12-01T05:{:02}:{:02}.000000Z\",\
             \"methods\":[\"password\"],\"roles\":[{{\"id\":\"r\",\"name\":\"service\"}}]}}}}",
            lasts / 60,
            lasts % 60
        );
        Reply::Bytes(answer(status(number), &format!("X-Subject-Token: token-{number}\r\n"), &body))
    })
    .await
}

fn with_keystone(neutron: &Small, keystone: &Small) -> NeutronDirectory {
    let mut place = keystone.place();
    place.prefix = "/identity/v3".to_owned();
    let mut options = options(neutron.place());
    options.kept_for = Duration::ZERO;
    NeutronDirectory::new(options, Some((place, user())))
}

#[tokio::test]
async fn a_token_is_asked_for_once_shown_to_neutron_alone_and_renewed_before_its_end() {
    let keystone = keystone(1, |_| "201 Created").await;
    let neutron = Small::start(|_, _| one()).await;
    let directory = with_keystone(&neutron, &keystone);
    let (first, second) = tokio::join!(asks(&directory, "10.0.0.2"), asks(&directory, "10.0.0.2"));
    assert!(first.is_ok() && second.is_ok());
    let request = keystone.heard().remove(0);
    assert!(request.starts_with("POST /identity/v3/auth/tokens?nocatalog HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\"password\":\"swordfish\"") && request.contains("\"project\":{"), "{request}");
    tokio::time::sleep(Duration::from_millis(950)).await;
    assert_eq!(asks(&directory, "10.0.0.2").await.as_deref(), Ok("one"));
    assert_eq!((keystone.heard().len(), directory.status().tokens), (2, 2));
    let shown: Vec<String> = neutron.heard();
    assert!(shown.first().is_some_and(|request| request.contains("\r\nx-auth-token: token-0\r\n")), "{shown:?}");
    assert!(shown.last().is_some_and(|request| request.contains("\r\nx-auth-token: token-1\r\n")), "{shown:?}");
    assert!(shown.iter().all(|request| !request.contains("swordfish")));
    assert!(!format!("{directory:?}").contains("swordfish") && !format!("{directory:?}").contains("token-1"));
}

#[tokio::test]
async fn a_token_that_neutron_refuses_is_renewed_once_and_its_question_is_asked_again() {
    let keystone = keystone(3000, |_| "201 Created").await;
    let neutron = Small::start(|_, text| match text.contains("token-0") || text.contains("10.0.0.9") {
        true => Reply::Bytes(answer("401 Unauthorized", "", "")),
        false => one(),
    })
    .await;
    let directory = with_keystone(&neutron, &keystone);
    assert_eq!(asks(&directory, "10.0.0.2").await.as_deref(), Ok("one"));
    assert_eq!((keystone.heard().len(), neutron.heard().len()), (2, 2));
    for _ in 0..3 {
        let Err(NoOccupant::Away(why)) = asks(&directory, "10.0.0.9").await else { panic!("away") };
        assert!(why.contains("401") && why.contains("does it ask the same Keystone"), "{why}");
    }
    assert_eq!(keystone.heard().len(), 2, "a token that is taken nowhere costs no new one for each question");
    assert_eq!(asks(&directory, "10.0.0.2").await.as_deref(), Ok("one"));
}

#[tokio::test]
async fn a_password_that_keystone_refuses_is_not_shown_for_each_question() {
    let keystone = keystone(3000, |_| "401 Unauthorized").await;
    let neutron = Small::start(|_, _| one()).await;
    let directory = with_keystone(&neutron, &keystone);
    for _ in 0..5 {
        let why = away(&directory).await;
        assert!(why.contains("refuses user `nsgate` (401)") && why.contains("password_file"), "{why}");
        assert!(!why.contains("swordfish"), "{why}");
    }
    assert_eq!((keystone.heard().len(), neutron.heard().len()), (1, 0));
}

#[tokio::test]
async fn why_keystone_gives_no_token_is_said_by_its_cause() {
    let neutron = Small::start(|_, _| one()).await;
    for (bytes, what) in [
        (answer("503 Service Unavailable", "", ""), "answers 503: the service behind it is away"),
        (answer("404 Not Found", "", ""), "answers 404: is this its address?"),
        (answer("201 Created", "", "{\"token\":{}}"), "no X-Subject-Token"),
        (answer("201 Created", "X-Subject-Token: t\r\n", "\"swordfish\""), "describes no token"),
    ] {
        let keystone = Small::start(move |_, _| Reply::Bytes(bytes.clone())).await;
        let why = away(&with_keystone(&neutron, &keystone)).await;
        assert!(why.starts_with(&format!("Keystone at {}: ", keystone.address)) && why.contains(what), "{why}");
        assert!(!why.contains("swordfish"), "{why}");
    }
    assert!(neutron.heard().is_empty());
}
