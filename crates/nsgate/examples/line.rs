//! Writes the line of the same request so often to a system log, and reads it back: for counting what a line costs
//! (`cargo xtask counts`). `line COUNT`

use nsgate::fuzzing::access_log;
use nsgate_config::{AbsolutePath, Facility, Log, LogLevel};
use nsgate_forwarder::{AccessRecord, Observer};
use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, SystemTime},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u32 = std::env::args().nth(1).ok_or("how many lines?")?.parse()?;
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
    let log = Log {
        socket: AbsolutePath::new("/dev/log")?,
        facility: Facility::named("local0").ok_or("no such facility")?,
        level: LogLevel::Info,
        tag: "haproxy-metadata-proxy-7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10".to_owned(),
    };
    let (writer, reader) = UnixDatagram::pair()?;
    let access = access_log(&log, writer);
    for _ in 0..count {
        access.request(&record);
        reader.recv(&mut [0; 1024])?;
    }
    Ok(())
}
