//! `bind`: an address to listen at, in every spelling that Neutron has used.

use super::{address::endpoint, arguments::place, reader::HaproxyReader, words::Lexeme};
use crate::{InterfaceName, Listener, model::listener::plausible, report::Report};

const FORM: &str = "write `bind ADDRESS:PORT [interface NAME]`, for instance `bind 169.254.169.254:80`";

pub(super) fn bind(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    let Some((address, mut options)) = arguments.split_first() else {
        return report.error(place(name), "`bind` needs an address and a port", FORM);
    };
    let mut interface = None;
    while let Some((option, rest)) = options.split_first() {
        let Some((value, rest)) = rest.split_first() else {
            return report.error(option.place, format!("`bind` option `{}` is not accepted", option.text), FORM);
        };
        match option.text.as_str() {
            "interface" => match InterfaceName::new(&value.text) {
                Ok(name) => interface = Some(name),
                Err(reason) => return report.error(value.place, reason, FORM),
            },
            "name" => {}
            _ => return report.error(option.place, format!("`bind` option `{}` is not accepted", option.text), FORM),
        }
        options = rest;
    }
    let listener = endpoint(&address.text).map(|(ip, port)| Listener { address: ip, port, interface });
    match listener.and_then(|listener| Ok(plausible(listener)?)) {
        Ok(listener) if reader.listeners.contains(&listener) => {
            report.error(address.place, format!("`{listener}` is bound twice"), "keep one of the two lines");
        }
        Ok(listener) => reader.listeners.push(listener),
        Err(reason) => report.error(address.place, reason, FORM),
    }
}
