#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_futures.sh: each program of examples/futures prints what the file beside it says, again and
# again; and the tests that docs/futures.md names are there.
#
#     FILCH_BUILD_DIR=build/release FILCH_SOURCE_DIR=. tests/examples/test_futures.sh
# seconds: 120
#
# Some quotes are Markdown's:
# shellcheck disable=SC2016
set -u
export LC_ALL=C
build=${FILCH_BUILD_DIR:?where filch is built}/examples
source=${FILCH_SOURCE_DIR:?where its sources are}
[ -x "$build/filch-search" ] || { echo "skipped: $build/filch-search is not built"; exit 77; }
turns=20
[ -n "${FILCH_SANITIZE-}" ] && turns=5
said=$(mktemp) || exit 1
trap 'rm -f "$said"' EXIT
failed=0
fail() {
    echo "FAILED: $*"
    failed=1
}

# The slow one computes; the others are over at once.
programs=0
for file in "$source"/examples/futures/*.c; do
    name=${file##*/}
    name=${name%.c}
    expected=${file%.c}.expected
    [ -f "$expected" ] || { fail "$name: no $expected"; continue; }
    n=$turns
    [ "$name" = mapped ] && n=1
    for ((i = 0; i < n; i++)); do
        "$build/filch-futures-$name" >"$said" 2>&1 || fail "$name ends with $?"
        cmp -s "$said" "$expected" || {
            fail "$name prints something else"
            diff "$said" "$expected"
        }
        [ $failed = 0 ] || break
    done
    programs=$((programs + 1))
done
[ $programs -gt 0 ] || fail "no program"
for expected in "$source"/examples/futures/*.expected; do
    [ -f "${expected%.expected}.c" ] || fail "$expected is nobody's"
done

# docs/futures.md: `conform/test_rules.c: a_name, another_name`.
tests=0
while IFS=: read -r file names; do
    for name in ${names//,/ }; do
        grep -q -F "TEST($name)" "$source/tests/$file" || fail "docs/futures.md: no $name in $file"
        tests=$((tests + 1))
    done
done < <(tr '\n' ' ' <"$source/docs/futures.md" | tr -s ' ' |
    grep -o '`[a-z]*/[a-z0-9_]*\.c: [a-z0-9_, ]*`' | tr -d '`')
[ $tests -gt 0 ] || fail "docs/futures.md names no test"

# Each rule and each case has a row that names a test, unless it says why there is none.
why="no counterpart|lost here too|not there"
for number in R{1..44} E{1..13}; do
    column="^\|[^|]*\|[^|]*\|[^|]*\b$number\b[^|]*\|"
    [ "${number:0:1}" = R ] || column="^\| $number \|"
    rows=$(grep -E "$column" "$source/docs/futures.md")
    [ -n "$rows" ] || fail "docs/futures.md: $number is in no table"
    grep -q -E "\`[a-z]*/[a-z0-9_]*\.c: [a-z0-9_, ]*\`|$why" <<<"$rows" ||
        fail "docs/futures.md: the row of $number names no test"
done

[ $failed = 0 ] && echo "$programs programs, $tests tests that docs/futures.md names"
exit $failed
