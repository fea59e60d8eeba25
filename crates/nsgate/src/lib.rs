//! Composition of the nsgate programs.
