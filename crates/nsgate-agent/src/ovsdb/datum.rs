//! The value of a column, in the notation of RFC 7047, section 5.1, and the difference between two of them.

use super::atom::Atom;
use super::schema::{Column, Content};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use std::{borrow::Cow, fmt};

/// The value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    /// A set, in order and each element once; one value is a set of one.
    Set(Vec<Atom>),
    /// Of a map from strings to strings, the values of the keys that are wanted, in the order of [`Content::Keys`].
    Values(Box<[Option<Box<str>>]>),
}

impl Datum {
    /// What a row has that was inserted without this column (RFC 7047, section 5.2.1).
    pub(crate) fn default_of(column: &Column) -> Self {
        match column.content() {
            Content::Keys(keys) => Self::Values(vec![None; keys.len()].into()),
            content => Self::Set(content.default().filter(|_| column.needs_one()).into_iter().collect()),
        }
    }

    /// The only, or the first, element.
    #[must_use]
    pub fn first(&self) -> Option<&Atom> {
        match self {
            Self::Set(atoms) => atoms.first(),
            Self::Values(_) => None,
        }
    }

    /// The value of the wanted key at this place.
    #[must_use]
    pub fn value(&self, place: usize) -> Option<&str> {
        match self {
            Self::Set(_) => None,
            Self::Values(values) => values.get(place)?.as_deref(),
        }
    }

    /// Applies a difference, as `update2` and `update3` send it (ovsdb-server(7), section 4.1.14).
    pub(crate) fn differ(&mut self, difference: Self, column: &Column) {
        match (self, difference) {
            (Self::Set(atoms), Self::Set(changed)) if column.many() => {
                for atom in changed {
                    match atoms.binary_search(&atom) {
                        Ok(at) => drop(atoms.remove(at)),
                        Err(at) => atoms.insert(at, atom),
                    }
                }
            }
            (Self::Values(values), Self::Values(changed)) => {
                for (value, changed) in values.iter_mut().zip(changed) {
                    if changed.is_some() {
                        *value = if *value == changed { None } else { changed };
                    }
                }
            }
            (whole, new) => *whole = new,
        }
    }
}

/// Reads the value of a column.
pub(crate) struct ColumnSeed<'c>(pub(crate) &'c Column);

impl<'de> DeserializeSeed<'de> for ColumnSeed<'_> {
    type Value = Datum;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Datum, D::Error> {
        if let Content::Keys(keys) = self.0.content() {
            return deserializer.deserialize_seq(KeysSeed(keys));
        }
        let mut atoms = Vec::new();
        ElementsSeed { atoms: &mut atoms, set: true }.deserialize(deserializer)?;
        if !atoms.iter().all(|atom| self.0.content().has(atom)) {
            return Err(de::Error::custom(format_args!("the column {} holds another type", self.0.name())));
        }
        atoms.sort_unstable();
        atoms.dedup();
        Ok(Datum::Set(atoms))
    }
}

/// A set, or the one element that stands for a set of one.
struct ElementsSeed<'a> {
    atoms: &'a mut Vec<Atom>,
    /// Whether a set may stand here: not within a set.
    set: bool,
}

impl ElementsSeed<'_> {
    fn one<E>(self, atom: Atom) -> Result<(), E> {
        self.atoms.push(atom);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for ElementsSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ElementsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of RFC 7047")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.one(Atom::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.one(Atom::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.one(Atom::Integer(value.try_into().map_err(E::custom)?))
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.one(Atom::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<(), A::Error> {
        match &*part::<Cow<'de, str>, _>(&mut parts)? {
            "uuid" => {
                let text: Cow<'de, str> = part(&mut parts)?;
                self.one(Atom::Uuid(text.parse().map_err(de::Error::custom)?))?;
            }
            "set" if self.set => parts.next_element_seed(MembersSeed(self.atoms))?.ok_or_else(short)?,
            other => return Err(de::Error::custom(format_args!("`{other}` where a value or a set stands"))),
        }
        end(&mut parts)
    }
}

/// The elements of a set.
struct MembersSeed<'a>(&'a mut Vec<Atom>);

impl<'de> DeserializeSeed<'de> for MembersSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for MembersSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the elements of a set")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(ElementsSeed { atoms: &mut *self.0, set: false })?.is_some() {}
        Ok(())
    }
}

/// A map from strings to strings, of which some keys are wanted.
struct KeysSeed(&'static [&'static str]);

impl<'de> Visitor<'de> for KeysSeed {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of RFC 7047")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Datum, A::Error> {
        match &*part::<Cow<'de, str>, _>(&mut parts)? {
            "map" => {}
            other => return Err(de::Error::custom(format_args!("`{other}` where a map stands"))),
        }
        let pairs: Vec<(Cow<'de, str>, Cow<'de, str>)> = part(&mut parts)?;
        end(&mut parts)?;
        let wanted = |key: &&str| pairs.iter().find(|(found, _)| found == key).map(|(_, value)| Box::from(&**value));
        Ok(Datum::Values(self.0.iter().map(wanted).collect()))
    }
}

fn part<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(parts: &mut A) -> Result<T, A::Error> {
    parts.next_element()?.ok_or_else(short)
}

fn end<'de, A: SeqAccess<'de>>(parts: &mut A) -> Result<(), A::Error> {
    match parts.next_element::<de::IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(de::Error::custom("a value with too many parts")),
    }
}

fn short<E: de::Error>() -> E {
    E::custom("a value that lacks a part")
}
