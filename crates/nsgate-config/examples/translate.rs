//! What Neutron wrote for haproxy, as nsgate's own TOML: `cargo run --example translate -- FILE`. Warnings and errors go to
//! standard error, with their place.

use nsgate_config::{haproxy, native};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("which file did the agent write?")?;
    let text = std::fs::read_to_string(&file)?;
    match haproxy::parse(&file, &text) {
        Ok(parsed) => {
            parsed.warnings.iter().for_each(|warning| eprintln!("{warning}"));
            print!("{}", native::render(&parsed.config));
            Ok(())
        }
        Err(errors) => Err(errors.into()),
    }
}
