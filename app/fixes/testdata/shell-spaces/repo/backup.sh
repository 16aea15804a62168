#!/bin/sh
# Copies the files of a folder into another one, under names with the date in front,
# and removes copies of earlier days.
#
#     backup.sh FROM TO DATE
set -eu

from=$1
to=$2
date=$3

mkdir -p $to
for file in $(ls $from); do
	if [ -f $from/$file ]; then
		cp $from/$file $to/$date-$file
	fi
done

for old in $(ls $to); do
	case $old in
	$date-*) ;;
	*) rm -f $to/$old ;;
	esac
done
