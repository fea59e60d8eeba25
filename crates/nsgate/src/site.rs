//! The site's own settings, `/etc/nsgate/nsgate.toml`: what a host's operator decides for every gate that is started
//! under the haproxy name, where the configuration itself is written by an agent.

use crate::shown;
use nsgate_config::native::Site;
use nsgate_launcher::read_roots;
use std::path::Path;

/// Where the settings stand. No variable and no option moves it: who starts a gate must not choose who may be root.
pub(crate) const PATH: &str = "/etc/nsgate/nsgate.toml";

/// Reads the settings; without the file everything has its default.
///
/// # Errors
/// The file exists and cannot be read or understood, or others than root could have written it.
pub(crate) fn load() -> Result<Site, String> {
    match read_roots(Path::new(PATH)).map_err(|error| error.to_string())? {
        Some(text) => Site::parse(PATH, &text).map_err(|errors| shown::errors(&text, PATH, errors).to_string()),
        None => Ok(Site::default()),
    }
}
