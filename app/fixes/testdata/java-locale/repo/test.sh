#!/bin/sh
set -eu
javac -d out src/shop/*.java test/shop/*.java
java -cp out shop.VouchersTest
