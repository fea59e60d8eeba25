#!/bin/sh
# haproxy 2.6 reads a list of processors behind `cpu-map` up to its first comma and passes over the rest without a word:
# `0-1,2000` is valid although 2000 alone is refused, and `auto:1/1-4 0-1,2-3` is refused as too few processors for four threads,
# where `0-1 2-3` is taken. Lists with commas, as taskset(1) has them and haproxy from 2.7 on, bind fewer processors than they say.
# Seen with haproxy 2.6.12-1+deb12u3 of Debian 12.
set -eu
command -v haproxy > /dev/null || { echo "apt-get install haproxy=2.6.12-1+deb12u3"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "version: $(haproxy -v | head -n 1)"
verdict() {
    printf 'global\n    cpu-map %s\n' "$1" > "$work/text"
    printf 'defaults\n    mode http\n    timeout client 1s\nfrontend f\n    bind %s\n' "$work/socket" >> "$work/text"
    if haproxy -c -f "$work/text" > "$work/said" 2>&1; then echo valid; else echo refused; fi
}
seen=''
for words in '1 2000' '1 0-1,2000' 'auto:1/1-4 0-1 2-3' 'auto:1/1-4 0-1,2-3'; do
    said=$(verdict "$words")
    echo "cpu-map $words: $said $(grep -o 'cpu-map : .*' "$work/said" || true)"
    seen="$seen $said"
done
[ "$seen" = ' refused valid valid refused' ] || { echo "this has changed"; exit 1; }
