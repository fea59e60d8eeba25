//! Reads the configuration of a whole host's proxy and says how many instances it has: for counting what that costs.
//! `instances FILE`

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("which file?")?;
    let parsed = nsgate_config::haproxy::parse_host(&file, &std::fs::read_to_string(&file)?)?;
    println!("{}", parsed.config.proxy.instances.len());
    Ok(())
}
