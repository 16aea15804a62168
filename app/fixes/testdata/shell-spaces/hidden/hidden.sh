#!/bin/sh
set -eu
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT

fail() {
	echo "FAIL: $1" >&2
	exit 1
}

from="$top/my files"
to="$top/My Passport/back up"
mkdir -p "$from/a folder" "$to"
echo plain >"$from/a.txt"
echo report >"$from/Annual report.pdf"
echo two >"$from/two  spaces"
echo star >"$from/*"
echo dash >"$from/-n"
echo old >"$to/2025-01-01-Annual report.pdf"
echo keep >"$top/report.pdf"

sh "$PWD/backup.sh" "$from" "$to" 2025-01-02

[ "$(cat "$to/2025-01-02-a.txt")" = plain ] || fail "a plain name"
[ "$(cat "$to/2025-01-02-Annual report.pdf")" = report ] || fail "a space"
[ "$(cat "$to/2025-01-02-two  spaces")" = two ] || fail "two spaces"
[ "$(cat "$to/2025-01-02-*")" = star ] || fail "a star"
[ "$(cat "$to/2025-01-02--n")" = dash ] || fail "a dash"
[ ! -e "$to/2025-01-01-Annual report.pdf" ] || fail "the old copy is still there"
[ ! -e "$top/My" ] || fail "a folder that nobody asked for"
[ "$(cat "$top/report.pdf")" = keep ] || fail "a file outside was touched"
[ "$(ls "$to" | wc -l)" -eq 5 ] || fail "$(ls "$to" | wc -l) files, want 5"

mkdir "$top/empty" "$top/none"
sh "$PWD/backup.sh" "$top/empty" "$top/none" 2025-01-02 || fail "an empty folder"
[ -z "$(ls "$top/none")" ] || fail "an empty folder made files"
echo ok
