//! The words after `stats socket`: an address, and options of a `bind` (`cli_parse_global` in src/cli.c, haproxy 2.6).
//!
//! Of some fifty options of a `bind`, those are accepted that such a socket has in practice.

use super::{
    address::{endpoint, socket},
    arguments::{MOST, is_number},
    words::Lexeme,
};
use crate::report::Span;

/// Longest name of an abstract socket (`sun_path`, unix(7), without its first byte).
const LONGEST_NAME: usize = 100;

/// The first error in an address and its options.
pub(super) fn fault(words: &[Lexeme]) -> Option<(Span, String)> {
    let (address, mut options) = words.split_first()?;
    if let Err(reason) = check_address(&address.text) {
        return Some((address.place, reason));
    }
    while let Some((option, rest)) = options.split_first() {
        let Some((value, rest)) = rest.split_first() else {
            return Some((option.place, format!("`{}` lacks its value, or is not known here", option.text)));
        };
        let name = option.text.as_str();
        let Some(good) = takes(name, &value.text) else {
            return Some((option.place, format!("`{name}` is none of: {}", OPTIONS.join(", "))));
        };
        if !good {
            return Some((value.place, format!("`{}` is no value of `{name}`", value.text)));
        }
        options = rest;
    }
    None
}

const OPTIONS: [&str; 9] = ["mode", "level", "user", "group", "uid", "gid", "expose-fd", "severity-output", "backlog"];

/// Whether the option accepts the value; `None` if the option is unknown. Accounts are not looked up.
fn takes(option: &str, value: &str) -> Option<bool> {
    Some(match option {
        "mode" => value.len() <= 4 && value.bytes().all(|byte| matches!(byte, b'0'..=b'7')),
        "level" => matches!(value, "user" | "operator" | "admin"),
        "user" | "group" => true,
        "uid" | "gid" | "backlog" => is_number(value, 0, MOST),
        "expose-fd" => value == "listeners",
        "severity-output" => matches!(value, "none" | "number" | "string"),
        _ => return None,
    })
}

fn check_address(text: &str) -> Result<(), String> {
    let path = text.strip_prefix("unix@").unwrap_or(text);
    if path.starts_with('/') {
        // One word may have several paths, separated by commas.
        return path.split(',').try_for_each(|path| socket(path).map(drop));
    }
    if let Some(name) = text.strip_prefix("abns@") {
        let fits = (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(['$', ',']);
        return if fits { Ok(()) } else { Err(format!("`{name}` is no name of an abstract socket")) };
    }
    let (family, rest) = text.split_once('@').unwrap_or(("", text));
    let (address, _) = endpoint(rest)?;
    let same = match family {
        "" => true,
        "ipv4" => address.is_ipv4(),
        "ipv6" => address.is_ipv6(),
        _ => false,
    };
    if same { Ok(()) } else { Err(format!("`{text}` is no address of a socket")) }
}
