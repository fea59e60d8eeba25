# For packages of distributions: `make`, `make check`, `make install DESTDIR=DIR`. Everything else is `cargo xtask help`.
#
# The source tarball has everything that this takes: every dependency in vendor/, and in pages/ what is generated (manual
# pages, completions, notices). In a checkout the build tool makes pages/, and cargo fetches what it has not got.
prefix = /usr
sysconfdir = /etc
bindir = $(prefix)/bin
libexecdir = $(prefix)/lib/nsgate
datadir = $(prefix)/share
docdir = $(datadir)/doc/nsgate
mandir = $(datadir)/man
unitdir = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
bashdir = $(datadir)/bash-completion/completions
fishdir = $(datadir)/fish/vendor_completions.d
zshdir = $(datadir)/zsh/site-functions

CARGO = cargo
# Vendored dependencies are those of Cargo.lock. A distribution that has crates of its own says other words here, with the
# lock out of the way: debian/rules.
CARGOFLAGS = $(if $(wildcard vendor),--frozen,--locked)
CARGO_TARGET_DIR ?= target
export CARGO_TARGET_DIR
# The directory of programs that are built already, if they are.
PROGRAMS = $(CARGO_TARGET_DIR)/release
PAGES = pages

version := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# Where the build was is in no program: a panic names its place as a debugger finds it.
FLAGS = $(RUSTFLAGS) --remap-path-prefix=$(CURDIR)=/usr/src/nsgate-$(version)
PACKAGING = xtask/packaging
compat = $(docdir)-haproxy-compat
image = $(docdir)-image

all: programs $(PAGES)

programs:
	RUSTFLAGS="$(strip $(FLAGS))" $(CARGO) build $(CARGOFLAGS) --release --package nsgate --bins

$(PAGES):
	$(CARGO) run $(CARGOFLAGS) --quiet --package xtask -- dist pages $@

# What needs neither root nor a network.
check:
	$(CARGO) test $(CARGOFLAGS) --package nsgate --package nsgate-config --package nsgate-forwarder --package nsgate-pool --lib

install: $(PAGES)
	install -D -m 0755 $(PROGRAMS)/nsgate $(DESTDIR)$(bindir)/nsgate
	install -d $(DESTDIR)$(unitdir) $(DESTDIR)$(sysusersdir) $(DESTDIR)$(tmpfilesdir) $(DESTDIR)$(sysconfdir)/nsgate
	install -m 0644 $(wildcard $(PACKAGING)/systemd/*.service $(PACKAGING)/systemd/*.socket) $(DESTDIR)$(unitdir)
	install -m 0644 $(PACKAGING)/systemd/sysusers.d/*.conf $(DESTDIR)$(sysusersdir)
	install -m 0644 $(PACKAGING)/systemd/tmpfiles.d/*.conf $(DESTDIR)$(tmpfilesdir)
	install -m 0644 $(PACKAGING)/etc/*.toml $(DESTDIR)$(sysconfdir)/nsgate
	install -D -m 0644 -t $(DESTDIR)$(datadir)/nsgate/apparmor $(PACKAGING)/apparmor/nsgate
	install -D -m 0644 -t $(DESTDIR)$(datadir)/nsgate/selinux $(PACKAGING)/selinux/nsgate.te $(PACKAGING)/selinux/nsgate.fc
	install -D -m 0644 -t $(DESTDIR)$(docdir) README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md $(PAGES)/THIRD-PARTY
	install -D -m 0644 -t $(DESTDIR)$(docdir)/examples $(PACKAGING)/etc/gate.toml.example $(PACKAGING)/image/Containerfile \
	    docs/examples/prometheus/nsgate.rules.yml docs/examples/prometheus/prometheus.yml
	cp -R docs $(DESTDIR)$(docdir)/
	chmod -R u=rwX,go=rX $(DESTDIR)$(docdir)/docs
	for section in 1 5 8; do install -D -m 0644 -t $(DESTDIR)$(mandir)/man$$section $(PAGES)/man/*.$$section || exit; done
	install -D -m 0644 -t $(DESTDIR)$(bashdir) $(PAGES)/bash/nsgate
	install -D -m 0644 -t $(DESTDIR)$(fishdir) $(PAGES)/fish/nsgate.fish
	install -D -m 0644 -t $(DESTDIR)$(zshdir) $(PAGES)/zsh/_nsgate
	# Real files and no links: rootwrap's kill filters and pgrep look at /proc/PID/exe.
	install -D -m 0755 -t $(DESTDIR)$(libexecdir)/bin $(PROGRAMS)/haproxy $(PROGRAMS)/neutron-ns-metadata-proxy
	for agent in l3 dhcp ovn-metadata ovn; do \
	    install -D -m 0644 $(PACKAGING)/compat/agent.conf \
	        $(DESTDIR)$(unitdir)/neutron-$$agent-agent.service.d/nsgate.conf || exit; \
	done
	install -D -m 0644 -t $(DESTDIR)$(datadir)/neutron/rootwrap $(PACKAGING)/compat/nsgate.filters
	install -D -m 0440 $(PACKAGING)/compat/sudoers $(DESTDIR)$(sysconfdir)/sudoers.d/nsgate-haproxy-compat
	install -D -m 0644 -t $(DESTDIR)$(compat) $(PACKAGING)/compat/README.md
	# For images; a package manager puts it at /usr/sbin/haproxy.
	install -D -m 0755 -t $(DESTDIR)$(libexecdir)/image $(PROGRAMS)/haproxy $(PACKAGING)/image/place
	install -D -m 0644 -t $(DESTDIR)$(image) $(PACKAGING)/image/README.md $(PAGES)/THIRD-PARTY
	install -D -m 0644 -t $(DESTDIR)$(image)/examples $(PACKAGING)/image/Containerfile

clean:
	rm -rf $(CARGO_TARGET_DIR)

.PHONY: all programs check install clean
