#!/bin/sh
set -eu
javac -d hidden-out src/shop/*.java test/shop/HiddenTest.java
for language in en tr az de ar; do
	java -Duser.language=$language -cp hidden-out shop.HiddenTest || {
		echo "FAIL: language $language" >&2
		exit 1
	}
done
