#!/bin/sh
# A version script that calls a program's function local keeps it from the dynamic symbols, and GNU ld and lld do so. gold does
# not, if a shared library on the command line names the function in a version (`answer@V1`) before the library that defines that:
# then the program exports its own, without a version, and at run time the first library calls that one and not the right one.
# With the libraries the other way round, or a name without a version, gold keeps it back as well. It is how a program that brings
# its own `_dl_find_object` hands it to the shared libgcc, which stands before the C library on every command line of gcc.
# Seen with GNU ld 2.40 and gold 1.16 of binutils 2.40-2, LLD 14.0.6 of lld-14, gcc 12.2.0, glibc 2.36 (Debian 12).
set -eu
for tool in gcc ld.bfd ld.gold ld.lld-14 nm; do
    command -v $tool > /dev/null || { echo "apt-get install gcc binutils=2.40-2 lld-14=1:14.0.6-12"; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
ln -s "$(command -v ld.lld-14)" ld.lld # gcc 12 knows no -fuse-ld=lld-14, and looks for ld.lld in the directory of -B
for tool in ld.bfd ld.gold ld.lld-14; do echo "version: $($tool --version | head -n 1)"; done

echo 'V1 { answer; };' > library.map
cat > defines.c << 'END'
int answer(void) { return 1; }
END
cat > names.c << 'END'
int answer(void);
int ask(void) { return answer(); }
END
gcc -shared -fPIC -Wl,-soname,libdefines.so -Wl,--version-script=library.map -o libdefines.so defines.c
gcc -shared -fPIC -Wl,-soname,libnames.so -o libnames.so names.c -L. -ldefines
echo '{ local: answer; };' > program.map
cat > program.c << 'END'
#include <stdio.h>
int ask(void);
int answer(void) { return 42; }
int main(void) { return printf("%d\n", ask()) < 0; }
END
echo '{ local: _dl_find_object; };' > unwinder.map
cat > unwinder.c << 'END'
int _dl_find_object(void *address, void *result) { return -1; }
int main(void) { return 0; }
END

exports() {
    if nm -D --defined-only program | grep -qw "$1"; then echo exported; else echo hidden; fi
}
seen=''
for linker in bfd gold lld; do
    for libraries in '-lnames -ldefines' '-ldefines -lnames'; do
        # shellcheck disable=SC2086 # two words
        gcc -B"$work" -fuse-ld=$linker -Wl,--version-script=program.map -o program program.c -L. $libraries
        called=$(LD_LIBRARY_PATH="$work" ./program)
        echo "$linker, $libraries: $(exports answer), and the library that names it is answered $called"
        seen="$seen $(exports answer):$called"
    done
    gcc -B"$work" -fuse-ld=$linker -shared-libgcc -Wl,--version-script=unwinder.map -o program unwinder.c
    echo "$linker, a program's own _dl_find_object: $(exports _dl_find_object)"
    seen="$seen $(exports _dl_find_object);"
done
kept='hidden:1 hidden:1 hidden;'
[ "$seen" = " $kept exported:42 hidden:1 exported; $kept" ] || { echo "this has changed: $seen"; exit 1; }
