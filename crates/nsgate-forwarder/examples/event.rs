//! Writes the same event so often: for counting what an audit costs (docs/audit.md).
//! `event COUNT FILE`

use nsgate_config::native;
use nsgate_forwarder::{
    AccessRecord,
    event::{EventOrigin, Missed, format},
};
use std::{
    io::Write,
    time::{Duration, SystemTime},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let count: u32 = words.next().ok_or("how many events?")?.parse()?;
    let mut file = std::fs::OpenOptions::new().append(true).open(words.next().ok_or("to which file?")?)?;
    let text = "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"127.0.0.1:80\"]\nuser = \"u\"\nbackend = \"/b\"\n";
    let network = EventOrigin::of(&native::parse("event", text)?.config.gate.identity);
    let time = Some(Duration::from_micros(1234));
    #[allow(clippy::disallowed_methods, reason = "the date of a line")]
    let mut record = AccessRecord::begun(([10, 0, 0, 5], 41234).into(), SystemTime::now());
    record.head_time = time;
    record.queue_time = time;
    record.connect_time = time;
    record.response_time = time;
    record.total_time = Duration::from_micros(1234);
    record.status = 200;
    record.bytes = 440;
    record.connections = 1;
    record.served = true;
    record.request_line = b"GET /openstack/latest/meta_data.json HTTP/1.1".to_vec();
    for _ in 0..count {
        let line = format(&network, &record, Missed::default()) + "\n";
        file.write_all(line.as_bytes())?;
    }
    Ok(())
}
