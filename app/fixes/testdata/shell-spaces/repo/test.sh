#!/bin/sh
set -eu
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT

mkdir "$top/from" "$top/to"
echo a >"$top/from/a.txt"
echo b >"$top/from/b.txt"
echo old >"$top/to/2025-01-01-a.txt"

sh backup.sh "$top/from" "$top/to" 2025-01-02

[ "$(cat "$top/to/2025-01-02-a.txt")" = a ]
[ "$(cat "$top/to/2025-01-02-b.txt")" = b ]
[ ! -e "$top/to/2025-01-01-a.txt" ]
echo ok
