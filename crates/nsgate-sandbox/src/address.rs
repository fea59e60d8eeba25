//! Addresses that a policy names and only the running process knows: until then a number that is no process's address
//! stands in the compiled program, so that a filter which was never completed lets nothing pass there.

/// Each name that a policy may write for an address, and what stands in for it: numbers with bits that no address of
/// a process has on any architecture, and whose halves are nowhere else in a program.
const PLACES: [(&str, u64); 3] =
    [("path", 0xf0a3_7019_f1b4_8123), ("how", 0xf2c5_923b_f3d6_a345), ("list", 0xf4e7_b45d_f5f8_c567)];

/// The placeholder of the address of that name.
pub(crate) fn placeholder(name: &str) -> Option<u64> {
    PLACES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}
