//! The laboratory: network namespaces, guests, agents and gates for the end-to-end suites.
