//! No text makes a parser panic, and every error points into the text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nsgate_config::{Diagnostics, haproxy, native};
use proptest::prelude::*;

const HAPROXY: &str = include_str!("fixtures/2026.2-neutron-network-ratelimit-v6.cfg");

fn points_inside(text: &str, errors: &Diagnostics) {
    assert!(!errors.0.is_empty());
    for error in &errors.0 {
        let lines = text.lines().count();
        assert!(error.line <= lines.max(1) + 1, "{error}");
        if let Some(line) = error.line.checked_sub(1).and_then(|index| text.lines().nth(index)) {
            assert!(error.column <= line.chars().count() + 1, "{error}");
        }
        assert!(!error.to_string().contains('\x1b'), "{error}");
    }
}

fn judge(text: &str) {
    if let Err(errors) = haproxy::parse("x", text) {
        points_inside(text, &errors);
    }
    match native::parse("x", text) {
        Ok(parsed) => assert_eq!(native::parse("y", &native::render(&parsed.config)).unwrap().config, parsed.config),
        Err(errors) => points_inside(text, &errors),
    }
}

proptest! {
    #[test]
    fn arbitrary_text(text in "\\PC{0,400}") {
        judge(&text);
    }

    #[test]
    fn arbitrary_lines_with_controls(text in proptest::collection::vec(any::<char>(), 0..300)) {
        judge(&text.into_iter().collect::<String>());
    }

    #[test]
    fn a_good_text_with_a_few_characters_changed(changes in proptest::collection::vec((0usize..2000, any::<char>()), 1..5)) {
        let mut text: Vec<char> = HAPROXY.chars().collect();
        for (at, c) in changes {
            let length = text.len();
            if let Some(place) = text.get_mut(at % length) {
                *place = c;
            }
        }
        let text: String = text.into_iter().collect();
        judge(&text);
        if let Ok(parsed) = haproxy::parse("x", &text) {
            judge(&native::render(&parsed.config));
        }
    }
}
