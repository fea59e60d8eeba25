//! The instance behind a port, as Nova is told of it.

use std::sync::Arc;

/// An instance and its project, fit for a header each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    instance: Arc<str>,
    project: Arc<str>,
}

/// What a port says is not the name of an instance or of a project.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its {what} is {wrong}")]
pub struct NotAnOccupant {
    what: &'static str,
    wrong: &'static str,
}

/// What may be wrong, and with what. The places are the words of a process that asks another one.
#[cfg(feature = "server")]
const WHATS: [&str; 2] = ["instance", "project"];
#[cfg(feature = "server")]
const WRONGS: [&str; 3] = [EMPTY, LONG, INVISIBLE];
const EMPTY: &str = "empty";
const LONG: &str = "longer than 255 characters";
const INVISIBLE: &str = "not of visible ASCII characters";

#[cfg(feature = "server")]
impl NotAnOccupant {
    /// The places of what, and of what is wrong with it.
    pub(crate) fn places(&self) -> [u8; 2] {
        let place = |all: &[&str], one: &str| all.iter().position(|known| *known == one).unwrap_or_default();
        [place(&WHATS, self.what), place(&WRONGS, self.wrong)].map(|place| u8::try_from(place).unwrap_or_default())
    }

    /// The same from the places.
    pub(crate) fn at([what, wrong]: [u8; 2]) -> Option<Self> {
        let (what, wrong) = (WHATS.get(usize::from(what))?, WRONGS.get(usize::from(wrong))?);
        Some(Self { what, wrong })
    }
}

/// Characters of an id: Neutron's columns `device_id` and `project_id` have 255.
const LONGEST: usize = 255;

impl Occupant {
    /// From a port's `device_id` and `project_id`. A device need not be a UUID: Nova decides.
    ///
    /// # Errors
    /// One of them is empty, too long, or holds a character that a header must not.
    pub fn new(instance: &str, project: &str) -> Result<Self, NotAnOccupant> {
        let checked = |what, text: &str| match fault(text) {
            Some(wrong) => Err(NotAnOccupant { what, wrong }),
            None => Ok(Arc::from(text)),
        };
        Ok(Self { instance: checked("instance", instance)?, project: checked("project", project)? })
    }

    /// `X-Instance-ID`.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// `X-Tenant-ID`.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }
}

fn fault(text: &str) -> Option<&'static str> {
    match text {
        "" => Some(EMPTY),
        _ if text.len() > LONGEST => Some(LONG),
        _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Some(INVISIBLE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_a_header_must_not_hold_is_refused() {
        for text in ["", "a b", "a\r\nb", "\u{e9}", &"a".repeat(256)] {
            assert!(Occupant::new(text, "project").is_err(), "{text:?} as instance");
            assert!(Occupant::new("instance", text).is_err(), "{text:?} as project");
        }
        let fit = Occupant::new("abcdef00-0000-4000-8000-000000000000", &"p".repeat(255)).expect("fit");
        assert_eq!(fit.instance(), "abcdef00-0000-4000-8000-000000000000");
    }
}
