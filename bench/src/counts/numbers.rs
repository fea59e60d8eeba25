//! The numbers, their file, and how far a measured number may be from the file's.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::measure::Counter;

/// What one request costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
    pub(crate) calls: f64,
}

/// All that is counted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Numbers {
    /// The compiler: another compiler writes other instructions.
    pub(crate) compiler: String,
    /// In the order of [`COUNTED`].
    pub(crate) costs: [Cost; COUNTED.len()],
}

/// What is counted: its key in the file, and what it is called.
const COUNTED: [(&str, &str); 7] = [
    ("kept", "a request on a kept connection"),
    ("own", "a request on a connection of its own"),
    ("post", "a password posted on a kept connection"),
    ("line", "a request's line of the system log, read back"),
    ("event", "an event of an audit"),
    ("instance", "reading one of 10,000 instances"),
    ("hop", "a gate's request through the agent, all kept"),
];

/// Permitted difference of instructions with the same compiler, and with another one, as a part of the known number.
/// Instructions repeat within 0.3 % on one machine; another processor makes the C library choose other string functions.
const SAME: f64 = 0.04;
const OTHER: f64 = 0.15;
/// Permitted difference of allocations and system calls.
const WHOLE: f64 = 0.25;

impl Cost {
    /// Of each thing that is counted.
    pub(super) fn each(count: impl Fn(Counter) -> Result<f64, String>) -> Result<Cost, String> {
        Ok(Cost {
            instructions: count(Counter::Instructions)?,
            allocations: count(Counter::Allocations)?,
            calls: count(Counter::Calls)?,
        })
    }

    pub(crate) fn parts(&self) -> [(&'static str, f64); 3] {
        [("instructions", self.instructions), ("allocations", self.allocations), ("system calls", self.calls)]
    }

    /// The lower number of each part.
    fn least(&self, other: &Cost) -> Cost {
        Cost {
            instructions: self.instructions.min(other.instructions),
            allocations: self.allocations.min(other.allocations),
            calls: self.calls.min(other.calls),
        }
    }

    fn read(value: &Value) -> Option<Cost> {
        let number = |key: &str| value.get(key)?.as_f64();
        Some(Cost {
            instructions: number("instructions")?,
            allocations: number("allocations")?,
            calls: number("system calls")?,
        })
    }
}

impl serde::Serialize for Numbers {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl Numbers {
    pub(crate) fn loads(&self) -> [(&'static str, Cost); COUNTED.len()] {
        std::array::from_fn(|at| (COUNTED[at].1, self.costs[at]))
    }

    /// The lower number of each count. A guest or an agent that is late makes a process wait once more.
    pub(crate) fn least(&self, other: &Numbers) -> Numbers {
        let costs = std::array::from_fn(|at| self.costs[at].least(&other.costs[at]));
        Numbers { compiler: self.compiler.clone(), costs }
    }

    fn value(&self) -> Value {
        let cost = |cost: Cost| {
            let rounded = cost.parts().map(|(what, number)| (what.to_owned(), json!((number * 100.0).round() / 100.0)));
            Value::Object(rounded.into_iter().collect())
        };
        let costs = COUNTED.iter().zip(self.costs).map(|((key, _), found)| ((*key).to_owned(), cost(found)));
        Value::Object(costs.chain([("compiler".to_owned(), json!(self.compiler))]).collect())
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        fs::write(path, format!("{:#}\n", self.value())).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(crate) fn read(path: &Path) -> Result<Numbers, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let cost = |key: &str| value.get(key).and_then(Cost::read);
        let compiler = value.get("compiler").and_then(Value::as_str).unwrap_or_default().to_owned();
        let costs: Option<Vec<Cost>> = COUNTED.iter().map(|(key, _)| cost(key)).collect();
        match costs.and_then(|costs| costs.try_into().ok()) {
            Some(costs) => Ok(Numbers { compiler, costs }),
            None => Err(format!("{}: numbers are missing; `cargo xtask counts --write` writes them", path.display())),
        }
    }

    /// One sentence for each number that is too far from what is expected.
    pub(crate) fn differences(&self, found: &Numbers) -> Vec<String> {
        let part = if self.compiler == found.compiler { SAME } else { OTHER };
        let mut out = Vec::new();
        for ((load, expected), (_, found)) in self.loads().into_iter().zip(found.loads()) {
            for ((what, expected), (_, found)) in expected.parts().into_iter().zip(found.parts()) {
                let allowed = if what == "instructions" { expected * part } else { WHOLE };
                if (found - expected).abs() > allowed {
                    out.push(format!(
                        "{what} for {load}: {found:.2}, expected {expected:.2} (at most {allowed:.2} more or less)"
                    ));
                }
            }
        }
        out
    }
}

/// `rustc 1.95.0`, without its date.
pub(super) fn compiler() -> Result<String, String> {
    let said = Command::new("rustc").arg("--version").output().map_err(|error| format!("rustc: {error}"))?;
    let text = String::from_utf8_lossy(&said.stdout);
    Ok(text.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::{COUNTED, Cost, Numbers};

    fn numbers(instructions: f64, allocations: f64, calls: f64) -> Numbers {
        let cost = Cost { instructions, allocations, calls };
        Numbers { compiler: "rustc 1.95.0".to_owned(), costs: [cost; COUNTED.len()] }
    }

    #[test]
    fn more_and_less_are_both_said_and_a_little_is_not() {
        let known = numbers(30_000.0, 20.0, 10.0);
        assert!(known.differences(&numbers(30_500.0, 20.1, 10.1)).is_empty());
        assert_eq!(
            known.differences(&numbers(31_500.0, 20.0, 10.0)).len(),
            COUNTED.len(),
            "everything that is counted"
        );
        assert_eq!(
            known.differences(&numbers(30_000.0, 21.0, 9.0)).len(),
            2 * COUNTED.len(),
            "better is to be written down as well"
        );
        let other = Numbers { compiler: "rustc 1.99.0".to_owned(), ..numbers(33_000.0, 20.0, 10.0) };
        assert!(known.differences(&other).is_empty());
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = std::env::temp_dir().join(format!("nsgate-counts-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("numbers.json");
        let known = numbers(30_000.25, 20.5, 10.0);
        known.write(&path).unwrap();
        assert_eq!(Numbers::read(&path).unwrap(), known);
        std::fs::write(&path, "{}").unwrap();
        assert!(Numbers::read(&path).unwrap_err().contains("--write"));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
