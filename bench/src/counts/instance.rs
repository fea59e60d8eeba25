//! What it costs to read an instance in the configuration of a whole host's proxy, among thousands.

use std::fs;
use std::net::Ipv4Addr;

use nsgate_tests::host::instances_at;

use super::Cost;
use super::measure::once;

/// Instances of the two texts.
const FEW: u32 = 1_000;
const MANY: u32 = 10_000;

/// The difference between reading many instances and reading few. It holds for each instance only if the time to read
/// a text grows in a straight line with the text.
pub(crate) fn cost() -> Result<Cost, String> {
    let place = std::env::temp_dir().join(format!("nsgate-instances-{}", std::process::id()));
    let path = place.display().to_string();
    let cost = Cost::each(|counter| {
        let run = |count: u32| -> Result<f64, String> {
            let text = instances_at((1..=count).map(|number| Ipv4Addr::from(0xf000_0000 + number)));
            fs::write(&place, text).map_err(|error| format!("{path}: {error}"))?;
            once(counter, "instances", &[&path])
        };
        Ok((run(MANY)? - run(FEW)?) / f64::from(MANY - FEW))
    });
    let _ = fs::remove_file(&place);
    cost
}
