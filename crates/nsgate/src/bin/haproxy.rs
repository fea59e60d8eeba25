//! The name Neutron starts.
fn main() {}
