#!/bin/sh
# rpm's file triggers take "a path prefix". For %filetriggerin a whole file's path is one: it runs when that file is installed.
# For %transfiletriggerin it is not: the database is asked for directories that begin so, so a file's path never matches, and the
# trigger is silently never called; its directory's path matches. The specification of both is accepted without a warning.
# Debian's packages rpm 4.18.0 (rpmbuild in it). Wants root.
set -eu

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir -p "$place/root"

build() {
    rpmbuild -bb --quiet --define "_topdir $place/$1" --define "_rpmdir $place" --define '_rpmfilename %%{NAME}.rpm' \
        "$place/$1.spec" 2>&1
}

head='Version: 1
Release: 1
Summary: x
License: x
BuildArch: noarch
%description
x'
cat >"$place/watch.spec" <<END
Name: watch
$head
%filetriggerin -p <lua> -- /opt/tool/program
print("filetriggerin of the file ran")
%transfiletriggerin -p <lua> -- /opt/tool/program
print("transfiletriggerin of the file ran")
%transfiletriggerin -p <lua> -- /opt/tool
print("transfiletriggerin of the directory ran")
%files
END
cat >"$place/tool.spec" <<END
Name: tool
$head
%install
mkdir -p %{buildroot}/opt/tool
echo x >%{buildroot}/opt/tool/program
%files
/opt/tool/program
END
build watch
build tool
rpm --version
rpm --force-debian --root "$place/root" --install "$place/watch.rpm"
said=$(rpm --force-debian --root "$place/root" --install "$place/tool.rpm")
echo "$said"
[ "$said" = "filetriggerin of the file ran
transfiletriggerin of the directory ran" ]
