//! What the process that carries requests and the one that knows the secret say to each other, byte by byte. No I/O.
//!
//! Both ends of a stream between two processes of one program: numbers are little-endian. A question has 44 bytes:
//!
//! | bytes | |
//! |---|---|
//! | 0 | `Q` |
//! | 1 | the place: 0 a network, 1 a network of OVN's, 2 a router |
//! | 2 | the caller: 4 an IPv4 address, 6 an IPv6 address, 1 a MAC address |
//! | 3 | 0 |
//! | 4 to 11 | the number of the question |
//! | 12 to 27 | the UUID of the network or router |
//! | 28 to 43 | the caller: its 4, 16 or 6 bytes, and then zeros |
//!
//! An answer has a head of 12 bytes, and at most [`LONGEST`] bytes behind it:
//!
//! | bytes | |
//! |---|---|
//! | 0 | which answer: the letters below |
//! | 1 | `S`: characters of the instance's id; else 0 |
//! | 2 and 3 | bytes behind the head |
//! | 4 to 11 | the number of the question |
//!
//! | letter | behind the head |
//! |---|---|
//! | `S`, signed | the signature's 64 digits, the instance's id, the project's |
//! | `N`, no port | nothing |
//! | `M`, several ports | their number, in 8 bytes |
//! | `I`, no instance | what is wrong with what, in 2 bytes |
//! | `A`, away | a sentence of at most [`LONGEST_REASON`] bytes |
//!
//! No byte of a guest's is in a question: its network is what its gate is bound to, and its address was read and is written anew.

use super::Signed;
use crate::{
    directory::{Caller, NoOccupant, NotAnOccupant, Occupant, Question},
    signature::InstanceSignature,
};
use nsgate_config::{Identity, Uuid};
use std::net::IpAddr;

/// Bytes of a question.
pub(super) const QUESTION: usize = 44;
/// Bytes of an answer's head.
pub(super) const HEAD: usize = 12;
/// Most bytes behind it: a signature and two ids.
pub(super) const LONGEST: usize = 64 + 2 * 255;
/// Most bytes of a sentence.
const LONGEST_REASON: usize = 512;

/// Bytes that the other end does not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Garbled(&'static str);

/// An answer as it was sent: the number of its question, and what was found.
pub(super) type NumberedAnswer = (u64, Result<Signed, NoOccupant>);

/// Writes a question.
pub(super) fn question(number: u64, Question { place, caller }: &Question) -> [u8; QUESTION] {
    let (place, id) = match place {
        Identity::Network(id) => (0, id),
        Identity::OvnNetwork(id) => (1, id),
        Identity::Router(id) => (2, id),
    };
    let mut bytes = [0; 16];
    let kind = match caller {
        Caller::Address(IpAddr::V4(address)) => fill(&mut bytes, &address.octets(), 4),
        Caller::Address(IpAddr::V6(address)) => fill(&mut bytes, &address.octets(), 6),
        Caller::Mac(address) => fill(&mut bytes, address, 1),
    };
    let mut frame = [0; QUESTION];
    let parts = [&[b'Q', place, kind, 0][..], &number.to_le_bytes(), id.bytes(), &bytes];
    for (to, from) in frame.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    frame
}

fn fill(room: &mut [u8; 16], bytes: &[u8], kind: u8) -> u8 {
    room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    kind
}

/// Reads a question.
///
/// # Errors
/// It is none. Nothing that follows is one either.
pub(super) fn read_question(frame: &[u8; QUESTION]) -> Result<(u64, Question), Garbled> {
    let (head, rest) = frame.split_first_chunk::<4>().ok_or(Garbled("no question"))?;
    let (number, rest) = rest.split_first_chunk::<8>().ok_or(Garbled("no question"))?;
    let (id, rest) = rest.split_first_chunk::<16>().ok_or(Garbled("no question"))?;
    let caller: &[u8; 16] = rest.try_into().map_err(|_| Garbled("no question"))?;
    let [b'Q', place, kind, 0] = *head else { return Err(Garbled("no question begins like this")) };
    let id = Uuid::from_bytes(*id);
    let place = match place {
        0 => Identity::Network(id),
        1 => Identity::OvnNetwork(id),
        2 => Identity::Router(id),
        _ => return Err(Garbled("a place that is neither network nor router")),
    };
    let (caller, rest) = match (kind, caller) {
        (4, [a, b, c, d, rest @ ..]) => (Caller::Address(IpAddr::from([*a, *b, *c, *d])), &rest[..]),
        (6, address) => (Caller::Address(IpAddr::from(*address)), &[][..]),
        (1, [a, b, c, d, e, f, rest @ ..]) => (Caller::Mac([*a, *b, *c, *d, *e, *f]), &rest[..]),
        _ => return Err(Garbled("a caller that is neither address nor MAC address")),
    };
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Garbled("an address that is longer than it can be"));
    }
    Ok((u64::from_le_bytes(*number), Question { place, caller }))
}

/// Writes an answer at the end of `out`.
pub(super) fn answer(out: &mut Vec<u8>, number: u64, found: &Result<Signed, NoOccupant>) {
    match found {
        Ok(Signed { occupant, signature }) => {
            let (instance, project) = (occupant.instance().as_bytes(), occupant.project().as_bytes());
            frame(out, b'S', instance.len(), number, &[signature.digits(), instance, project]);
        }
        Err(NoOccupant::NoPort) => frame(out, b'N', 0, number, &[]),
        Err(NoOccupant::SeveralPorts(count)) => {
            let count = u64::try_from(*count).unwrap_or(u64::MAX);
            frame(out, b'M', 0, number, &[&count.to_le_bytes()]);
        }
        Err(NoOccupant::NoInstance(wrong)) => frame(out, b'I', 0, number, &[&wrong.places()]),
        Err(NoOccupant::Away(reason)) => frame(out, b'A', 0, number, &[shortened(reason).as_bytes()]),
    }
}

fn frame(out: &mut Vec<u8>, letter: u8, instance: usize, number: u64, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let [low, high] = u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes();
    out.extend_from_slice(&[letter, u8::try_from(instance).unwrap_or(u8::MAX), low, high]);
    out.extend_from_slice(&number.to_le_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// As much of a sentence as fits, to the end of a character.
fn shortened(reason: &str) -> &str {
    let end = (0..=reason.len().min(LONGEST_REASON)).rev().find(|end| reason.is_char_boundary(*end));
    reason.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// Reads the answer at the beginning of `bytes`, and how many bytes it has. `None` if its end has not come.
///
/// # Errors
/// It is none. Nothing that follows is one either.
pub(super) fn read_answer(bytes: &[u8]) -> Result<Option<(NumberedAnswer, usize)>, Garbled> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
    let [letter, instance, low, high, number @ ..] = *head;
    let length = usize::from(u16::from_le_bytes([low, high]));
    if length > LONGEST {
        return Err(Garbled("an answer that is longer than it can be"));
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let found = match (letter, instance) {
        (b'S', instance) => Ok(read_signed(usize::from(instance), body)?),
        (b'N', 0) if body.is_empty() => Err(NoOccupant::NoPort),
        (b'M', 0) => Err(NoOccupant::SeveralPorts(read_count(body)?)),
        (b'I', 0) => Err(NoOccupant::NoInstance(read_wrong(body)?)),
        (b'A', 0) if length <= LONGEST_REASON => Err(NoOccupant::Away(read_reason(body)?)),
        _ => return Err(Garbled("no answer begins like this")),
    };
    Ok(Some(((u64::from_le_bytes(number), found), HEAD + length)))
}

fn read_signed(instance: usize, body: &[u8]) -> Result<Signed, Garbled> {
    let (digits, ids) = body.split_first_chunk::<64>().ok_or(Garbled("an answer without a signature"))?;
    let signature = InstanceSignature::from_digits(digits).ok_or(Garbled("a signature of no digits"))?;
    let (instance, project) = ids.split_at_checked(instance).ok_or(Garbled("an id that is cut"))?;
    let [instance, project] = [instance, project].map(|id| std::str::from_utf8(id).unwrap_or_default());
    let occupant = Occupant::new(instance, project).map_err(|_| Garbled("an id that is none"))?;
    Ok(Signed { occupant, signature })
}

fn read_count(body: &[u8]) -> Result<usize, Garbled> {
    let count: [u8; 8] = body.try_into().map_err(|_| Garbled("a number of ports that is none"))?;
    usize::try_from(u64::from_le_bytes(count)).map_err(|_| Garbled("a number of ports that is none"))
}

fn read_wrong(body: &[u8]) -> Result<NotAnOccupant, Garbled> {
    let places: [u8; 2] = body.try_into().map_err(|_| Garbled("a fault that is none"))?;
    NotAnOccupant::at(places).ok_or(Garbled("a fault that is none"))
}

fn read_reason(body: &[u8]) -> Result<String, Garbled> {
    let reason = std::str::from_utf8(body).map_err(|_| Garbled("a sentence that is no text"))?;
    // It goes to a log.
    Ok(reason.chars().map(|one| if one.is_control() { ' ' } else { one }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::Secret;
    use proptest::prelude::*;

    fn identity() -> impl Strategy<Value = Identity> {
        let kinds = [Identity::Network as fn(Uuid) -> Identity, Identity::OvnNetwork, Identity::Router];
        (any::<[u8; 16]>(), 0..3usize).prop_map(move |(id, kind)| kinds[kind](Uuid::from_bytes(id)))
    }

    fn caller() -> impl Strategy<Value = Caller> {
        prop_oneof![any::<IpAddr>().prop_map(Caller::Address), any::<[u8; 6]>().prop_map(Caller::Mac)]
    }

    fn found() -> impl Strategy<Value = Result<Signed, NoOccupant>> {
        let id = || "[!-~]{1,255}";
        let signed = |(instance, project): (String, String)| {
            let signature = Secret::new(b"swordfish".to_vec()).expect("a secret").sign(&instance);
            Ok(Signed { occupant: Occupant::new(&instance, &project).expect("ids"), signature })
        };
        let wrong = || prop_oneof![Just("a b".to_owned()), Just(String::new()), Just("x".repeat(256))];
        prop_oneof![
            (id(), id()).prop_map(signed),
            Just(Err(NoOccupant::NoPort)),
            any::<usize>().prop_map(|count| Err(NoOccupant::SeveralPorts(count))),
            wrong().prop_map(|id| Err(NoOccupant::NoInstance(Occupant::new(&id, "p").expect_err("no id")))),
            wrong().prop_map(|id| Err(NoOccupant::NoInstance(Occupant::new("i", &id).expect_err("no id")))),
            "[a-z äöü:]{0,256}".prop_map(|reason| Err(NoOccupant::Away(reason))),
        ]
    }

    proptest! {
        #[test]
        fn a_question_is_read_as_it_was_written(number: u64, place in identity(), caller in caller()) {
            let asked = Question { place, caller };
            prop_assert_eq!(read_question(&question(number, &asked)), Ok((number, asked)));
        }

        #[test]
        fn an_answer_is_read_as_it_was_written_and_never_before_its_end(number: u64, found in found()) {
            let mut bytes = Vec::new();
            answer(&mut bytes, number, &found);
            prop_assert!(bytes.len() <= HEAD + LONGEST);
            for end in 0..bytes.len() {
                prop_assert_eq!(read_answer(&bytes[..end]), Ok(None));
            }
            let length = bytes.len();
            bytes.extend_from_slice(b"the next one");
            prop_assert_eq!(read_answer(&bytes), Ok(Some(((number, found), length))));
        }

        #[test]
        fn a_question_is_read_in_one_form_alone(bytes in any::<[u8; QUESTION]>(), like: bool) {
            let mut bytes = bytes;
            if like {
                let head = [b'Q', bytes[1] % 4, [1, 4, 6, 5][usize::from(bytes[2] % 4)], bytes[3] % 2];
                bytes[..4].copy_from_slice(&head);
            }
            if let Ok((number, asked)) = read_question(&bytes) {
                prop_assert_eq!(question(number, &asked), bytes);
            }
        }

        #[test]
        fn no_bytes_are_an_answer_beyond_the_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..700), letter in 0..5usize) {
            let mut bytes = bytes;
            if let Some([one, _, _, high, ..]) = bytes.first_chunk_mut::<HEAD>() {
                (*one, *high) = (b"SNMIA"[letter], *high % 3);
            }
            if let Ok(Some(((number, found), length))) = read_answer(&bytes) {
                prop_assert!(length <= HEAD + LONGEST);
                let mut again = Vec::new();
                answer(&mut again, number, &found);
                prop_assert!(matches!(found, Err(NoOccupant::Away(_))) || again == bytes[..length]);
            }
        }
    }

    #[test]
    fn what_is_no_question_is_named() {
        let asked =
            Question { place: Identity::Router(Uuid::NIL), caller: Caller::Address("10.0.0.2".parse().expect("one")) };
        let good = question(7, &asked);
        for (place, value, what) in [
            (0, b'q', "begins"),
            (3, 1, "begins"),
            (1, 3, "neither network nor router"),
            (2, 5, "neither address nor MAC"),
            (43, 1, "longer than it can be"),
        ] {
            let mut bad = good;
            bad[place] = value;
            let error = read_question(&bad).expect_err("no question").to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let mut bytes = Vec::new();
        answer(&mut bytes, 1, &Err(NoOccupant::Away("ä".repeat(400) + "\n")));
        let read = read_answer(&bytes).expect("an answer").expect("whole");
        assert_eq!(read.0.1, Err(NoOccupant::Away("ä".repeat(256))));
    }
}
