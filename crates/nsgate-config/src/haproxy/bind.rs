//! `bind`: where guests are heard, in the spellings of nine years.

use super::{global::place, reader::Reader, words::Word};
use crate::{InterfaceName, Listener, Port, model::listener::plausible, report::Report};
use std::net::{IpAddr, Ipv4Addr};

const FORM: &str = "write `bind ADDRESS:PORT [interface NAME]`, for instance `bind 169.254.169.254:80`";

pub(super) fn bind(reader: &mut Reader, report: &mut Report<'_>, name: &[Word], arguments: &[Word]) {
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
    match listener.and_then(plausible) {
        Ok(listener) if reader.listeners.contains(&listener) => {
            report.error(address.place, format!("`{listener}` is bound twice"), "keep one of the two lines");
        }
        Ok(listener) => reader.listeners.push(listener),
        Err(reason) => report.error(address.place, reason, FORM),
    }
}

/// `1.2.3.4:80`, `*:80`, `:80`, `[fe80::1]:80`, and what older Neutron wrote without brackets: `fe80::1:80`, `:::80`.
pub(super) fn endpoint(text: &str) -> Result<(IpAddr, Port), String> {
    let (address, port) = text.rsplit_once(':').ok_or_else(|| format!("`{text}` has no port"))?;
    let port: Port = port.parse()?;
    let plain = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let ip = match plain {
        "" | "*" if plain == address => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => plain.parse().map_err(|_| format!("`{address}` is not an IP address"))?,
    };
    Ok((ip, port))
}
