#!/bin/sh
# Copies the files of a folder into another one, under names with the date in front,
# and removes copies of earlier days.
#
#     backup.sh FROM TO DATE
set -eu

from=$1
to=$2
date=$3

mkdir -p -- "$to"
for file in "$from"/*; do
	if [ -f "$file" ]; then
		cp -- "$file" "$to/$date-${file##*/}"
	fi
done

for old in "$to"/*; do
	case ${old##*/} in
	"$date"-*) ;;
	*) rm -f -- "$old" ;;
	esac
done
