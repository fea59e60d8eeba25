//! What may change while a host's proxy serves: its instances. The rest was decided when the process still had privileges, or
//! its open connections depend on it.

use crate::HostConfig;
use std::fmt::{Debug, Display};

impl HostConfig {
    /// The configuration without its instances, for comparison with a later text.
    #[must_use]
    pub fn without_instances(&self) -> Self {
        let mut rest = self.clone();
        rest.proxy.instances = Default::default();
        rest
    }

    /// The differences to `next` that a serving process cannot take over: one sentence for each word of the text. Instances are
    /// not compared.
    #[must_use]
    pub fn fixed_differences(&self, next: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let (old, new) = (&self.process, &next.process);
        differs(&mut found, "user", &Shown(&old.user), &Shown(&new.user));
        differs(&mut found, "group", &optional(old.group.as_ref()), &optional(new.group.as_ref()));
        differs(&mut found, "pidfile", &optional(old.pid_file.as_ref()), &optional(new.pid_file.as_ref()));
        differs(&mut found, "daemon", &old.daemon, &new.daemon);
        if old.log != new.log {
            found.push("`log` or `log-tag` has changed".to_owned());
        }
        let (old, new) = (&self.proxy, &next.proxy);
        let binds =
            |config: &Self| config.proxy.listeners.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        differs(&mut found, "bind", &Shown(binds(self)), &Shown(binds(next)));
        differs(&mut found, "server", &Shown(&old.server), &Shown(&new.server));
        differs(&mut found, "maxconn", &old.limits.connections, &new.limits.connections);
        differs(&mut found, "retries", &old.retries, &new.retries);
        let (before, after) = (&old.timeouts, &new.timeouts);
        differs(&mut found, "timeout http-request", &before.request, &after.request);
        differs(&mut found, "timeout connect", &before.connect, &after.connect);
        differs(&mut found, "timeout client", &before.client, &after.client);
        differs(&mut found, "timeout server", &before.server, &after.server);
        differs(&mut found, "timeout http-keep-alive", &before.keep_alive, &after.keep_alive);
        let path = |path: &Option<crate::UriPath>| optional(path.as_ref().map(crate::UriPath::as_str));
        differs(&mut found, "monitor-uri", &path(&old.monitor), &path(&new.monitor));
        differs(&mut found, "stats uri", &path(&old.statistics), &path(&new.statistics));
        if found.is_empty() && self.without_instances() != next.without_instances() {
            // A word of a later version of the dialect that is missing in the list above.
            found.push("something other than the instances has changed".to_owned());
        }
        found
    }
}

fn differs<T: PartialEq + Debug>(found: &mut Vec<String>, word: &str, old: &T, new: &T) {
    if old != new {
        found.push(format!("`{word}` is {new:?} in the text, and {old:?} since the start"));
    }
}

/// Shows a value by its `Display`.
#[derive(PartialEq)]
struct Shown<T>(T);

impl<T: Display> Debug for Shown<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Display::fmt(&self.0, f)
    }
}

fn optional(value: Option<impl Display>) -> Shown<String> {
    Shown(value.map_or_else(|| "not said".to_owned(), |value| value.to_string()))
}

#[cfg(test)]
mod tests {
    use crate::{HostConfig, haproxy};

    const TEXT: &str = include_str!("../../tests/fixtures/2026.2-hostproxy-3-instances.cfg");

    fn parse(text: &str) -> HostConfig {
        haproxy::parse_host("x", text).unwrap_or_else(|errors| panic!("{errors}")).config
    }

    #[test]
    fn instances_may_change_and_nothing_else() {
        let old = parse(TEXT);
        let moved = parse(&TEXT.replace("src 240.0.0.2", "src 240.0.0.200"));
        assert_ne!(old, moved);
        assert_eq!(old.fixed_differences(&moved), Vec::<String>::new());
        for (from, to, word) in [
            ("user        neutron", "user        nova", "`user` is nova in the text, and neutron since the start"),
            ("group       neutron", "group       nova", "`group` is nova"),
            ("    daemon\n", "\n", "`daemon` is false"),
            (
                "    daemon\n",
                "    daemon\n    pidfile /run/x.pid\n",
                "`pidfile` is /run/x.pid in the text, and not said",
            ),
            ("local0 debug", "local1 debug", "`log`"),
            ("log-tag     haproxy-host", "log-tag     other-host", "`log-tag`"),
            ("*:80 ", "*:81 ", "`bind` is 0.0.0.0:81"),
            ("192.0.2.10:8775", "192.0.2.11:8775", "`server` is 192.0.2.11:8775"),
            ("maxconn     1024\n    daemon", "maxconn     512\n    daemon", "`maxconn` is 512"),
            ("retries         3", "retries         4", "`retries` is 4"),
            (
                "timeout http-request    30s\n    timeout connect         30s\n    timeout client",
                "timeout http-request    31s\n    timeout connect         30s\n    timeout client",
                "`timeout http-request` is 31s",
            ),
            ("timeout client          32s", "timeout client          33s", "`timeout client` is 33s"),
            ("timeout http-keep-alive 30s", "timeout http-keep-alive 31s", "`timeout http-keep-alive` is 31s"),
            ("timeout server          30s", "timeout server          31s", "`timeout server` is 31s"),
            (
                "timeout connect         30s\n    timeout server",
                "timeout connect         31s\n    timeout server",
                "`timeout connect` is 31s",
            ),
            ("/monitoruri", "/other", "`monitor-uri` is /other"),
            ("/admin/stats", "/other", "`stats uri` is /other"),
        ] {
            let changed = TEXT.replace(from, to);
            assert_ne!(changed, TEXT, "{from}");
            let found = old.fixed_differences(&parse(&changed));
            assert!(found.len() == 1 && found[0].contains(word), "{to}: {found:#?}");
        }
    }
}
