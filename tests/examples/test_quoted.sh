#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_quoted.sh: what README.md and the public headers quote is what compiles and runs.
#
# The lines are taken from where they stand: README's programs whole, and from the first
# comment of each header the indented lines behind an empty one. A header's lines are parts of a
# program; the rest of it stands here, with a line "QUOTED" in their place. A header that quotes
# something new needs a rest of its own.
# seconds: 120
set -u
export LC_ALL=C
if [ -n "$FILCH_SANITIZE" ]; then
    echo "skipped here: users' programs are not instrumented"
    exit 77
fi
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
fail() {
    echo "FAIL: $*"
    exit 1
}

cmake --install "$FILCH_BUILD_DIR" --prefix "$scratch/prefix" >"$scratch/log" ||
    { cat "$scratch/log"; fail "cmake --install"; }
pc=$(find "$scratch/prefix" -name filch.pc)
[ -n "$pc" ] || fail "no filch.pc was installed"
export PKG_CONFIG_PATH=${pc%/filch.pc}
export LD_LIBRARY_PATH=${pc%/pkgconfig/filch.pc}
mkdir "$scratch/work" && cd "$scratch/work" || exit 1

# ---- README.md: its programs, by the commands that README.md and filch.h give for it.
cc() {
    "$CC" -std=c11 -Wall -Wextra -Wpedantic -Werror -o program "$@"
}

# quoted_program FILE N: the nth.
quoted_program() {
    awk -v n="$2" '/^```c$/ { inside = ++seen == n; next } /^```$/ { inside = 0 } inside' "$1"
}

# The command behind "cc program.c" up to the end of the line, or a comment.
quoted_command() {
    sed -n 's/.*\(cc program\.c .*)\).*/\1/p' "$1" | head -n 1
}

prints=("49" "the process that ran it has died")
[ "$(grep -c '^```c$' "$FILCH_SOURCE_DIR/README.md")" = ${#prints[@]} ] || fail "README.md has other programs"
for n in "${!prints[@]}"; do
    quoted_program "$FILCH_SOURCE_DIR/README.md" $((n + 1)) >program.c
    grep -q '^int main' program.c || fail "README.md's program $n has no main"
    for text in README.md include/filch/filch.h; do
        command=$(quoted_command "$FILCH_SOURCE_DIR/$text")
        [ -n "$command" ] || fail "$text has no command that compiles a program"
        rm -f program
        eval "$command" || fail "$text: $command"
        said=$(./program) || fail "README.md's program $n ends with $?"
        [ "$said" = "${prints[n]}" ] || fail "README.md's program $n prints '$said', not '${prints[n]}'"
    done
done

# ---- The headers.
# quoted HEADER: what follows an empty line of its first comment and is indented, as it would stand
# in a program.
quoted() {
    sed '/\*\//q' "$FILCH_SOURCE_DIR/include/filch/$1" |
        awk '/^ \*$/ { inside = 1; next } !sub(/^ \*     /, "") { inside = 0 } inside' |
        sed 's| \*/$||'
}

# example HEADER [FILTER...]: puts what HEADER quotes, changed by FILTER, in the place of QUOTED in
# the program on stdin; compiles it and runs it; its output is in "said".
example() {
    local header=$1 name=${1%.h}.c
    shift
    [ $# -gt 0 ] || set -- cat
    quoted "$header" | "$@" >part
    [ -s part ] || fail "$header quotes nothing"
    awk '/^ *QUOTED$/ { sub(/QUOTED/, ""); while ((getline line <"part") > 0) print $0 line; next }
         { print }' >"$name"
    # shellcheck disable=SC2046
    cc "$name" $(pkg-config --cflags --libs filch) || { cat "$name"; fail "what $header quotes"; }
    ./program >said 2>&1 || { cat said; fail "what $header quotes ends with $?"; }
    tried="$tried $header"
}
tried=" filch.h"

common='
#include <stdio.h>
#include <filch/filch.h>

static int work(void *arg, void **result)
{
    *result = arg;
    return 0;
}

static filch_executor *ex;

static int check(int status, filch_future *future)
{
    void *result = NULL;
    if (status == 0)
        status = filch_future_result(future, FILCH_FOREVER, &result);
    filch_future_release(future);
    filch_executor_destroy(ex);
    return status == 0 && result == &ex ? 0 : 1;
}
'

example base.h <<END
$common
int main(void)
{
    filch_future *future = NULL;
    void *arg = &ex;
    if (filch_executor_create(&ex, NULL) != 0 ||
        filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER) != 0)
        return 1;
    for (int turn = 0; turn < 2; turn++) {
        QUOTED
        if (status != (turn == 0 ? FILCH_ESHUTDOWN : 0))
            return 2;
        if (turn == 0) {
            filch_executor_destroy(ex);
            if (filch_executor_create(&ex, NULL) != 0)
                return 3;
        }
    }
    return check(0, future);
}
END
[ "$(cat said)" = "submit: the executor is shut down" ] || fail "base.h: $(cat said)"

example executor.h sed 's/^\.\.\.$/USE/' <<END
$common
#define USE \\
    filch_future *future = NULL; \\
    if (status == 0) \\
        status = filch_submit(ex, work, &ex, &future); \\
    if (filch_executor_workers(ex) != 4) \\
        return 2;
int main(void)
{
    QUOTED
    ex = NULL;
    return check(status, future);
}
END

example future.h <<END
$common
int main(void)
{
    filch_future *future = NULL;
    if (filch_promise_create(&future) != 0 || filch_promise_set_result(future, &ex) != 0)
        return 1;
    (void)work;
    (void)check;
    {
        QUOTED
        return status == 0 && result == &ex ? 0 : 1;
    }
}
END

# A function and a statement, as in submit.h.
example loop.h sed -e '/^int status/s/^/IN_MAIN /' <<END
$common
#define IN_MAIN int main(void) { enum { n = 1000 }; static double x[n]; filch_future *future = NULL; \\
    if (filch_executor_create(&ex, NULL) != 0) return 1; \\
    for (int i = 0; i < n; i++) x[i] = i;
QUOTED
    for (int i = 0; i < n; i++)
        if (status != 0 || x[i] != 2 * i)
            return 2;
    status = filch_submit(ex, work, &ex, &future);
    return check(status, future);
}
END

example fork.h <<END
$common
QUOTED
int main(void)
{
    (void)check;
    (void)work;
    return ex == NULL && fib(20) == 6765 ? 0 : 1;
}
END

example map.h <<END
$common
static bool next_line(void *file, void **arg)
{
    int *left = file;
    *arg = left;
    return (*left)-- > 0;
}
static int used;
static void use(int status, void *result)
{
    used += status == 0 && result != NULL;
}
int main(void)
{
    int lines = 10;
    int *file = &lines;
    if (filch_executor_create(&ex, NULL) != 0)
        return 1;
    QUOTED
    filch_executor_destroy(ex);
    (void)check;
    return status == FILCH_EEND && used == 10 ? 0 : 2;
}
END

example cq.h sed -e '/^\.\.\./d' -e 's/^filch_cq_add/status = filch_cq_add/' <<END
$common
static int used;
static void use(filch_future *future)
{
    used += filch_future_done(future);
}
static int take(filch_cq *cq, filch_future *future)
{
    filch_future *done[64];
    int status;
    QUOTED
    return status;
}
int main(void)
{
    filch_cq *cq;
    filch_future *future;
    if (filch_cq_create(&cq) != 0 || filch_promise_create(&future) != 0 ||
        filch_promise_set_result(future, &ex) != 0)
        return 1;
    (void)work;
    (void)check;
    if (take(cq, future) != 0)
        return 2;
    filch_future_release(future);
    filch_cq_destroy(cq);
    return used == 1 ? 0 : 3;
}
END

# A function before main, and two statements in it.
example then.h sed -e 's/{ \.\.\. }/{ (void)arg; return filch_future_result(page, FILCH_NOW, result); }/' \
    -e 's/^int status =/sum +=/' -e 's/^sum/IN_MAIN sum/' -e '/race/s/IN_MAIN//' <<END
$common
static int sum;
static filch_future *page, *tree, *mirrors[3], *first;
static int start(void)
{
    int status = filch_executor_create(&ex, NULL);
    if (status == 0)
        status = filch_promise_create(&page);
    for (int i = 0; i < 3 && status == 0; i++)
        status = filch_promise_create(&mirrors[i]);
    return status;
}
#define IN_MAIN int main(void) { if (start() != 0) return 1;
QUOTED
    if (sum != 0 || filch_promise_set_result(page, &ex) != 0 ||
        filch_promise_set_result(mirrors[1], &ex) != 0)
        return 2;
    void *result;
    if (filch_future_result(first, FILCH_FOREVER, &result) != 0 || result != mirrors[1] ||
        !filch_future_cancelled(mirrors[2]))
        return 3;
    filch_future_release(first);
    filch_future_release(page);
    for (int i = 0; i < 3; i++)
        filch_future_release(mirrors[i]);
    (void)work;
    return check(0, tree);
}
END

example scope.h <<END
$common
static int part[10];
int main(void)
{
    int n = 10;
    if (filch_executor_create(&ex, NULL) != 0)
        return 1;
    QUOTED
    filch_executor_destroy(ex);
    (void)check;
    return status;
}
END

example task.h <<END
$common
int main(void)
{
    int request = 0;
    if (filch_executor_create(&ex, NULL) != 0)
        return 1;
    QUOTED
    filch_executor_destroy(ex);
    (void)check;
    return status;
}
END

example timer.h sed -e 's/int status = \(filch_submit_every\|filch_timeout\)/if (status == 0) status = \1/' <<END
$common
static int retried, beaten;
static int retry(void *arg, void **result)
{
    *result = &ex;
    return *(int *)arg == 1 && ++retried == 1 ? 0 : 1;
}
static int beat(void *arg, void **result)
{
    (void)arg, (void)result;
    return ++beaten;
}
int main(void)
{
    int one = 1, *request = &one;
    filch_future *future, *beats, *answer, *in_time;
    if (filch_executor_create(&ex, NULL) != 0 || filch_promise_create(&answer) != 0)
        return 1;
    QUOTED
    (void)work;
    if (status != 0 || filch_future_result(in_time, FILCH_FOREVER, NULL) != FILCH_ETIMEDOUT ||
        filch_future_result(answer, FILCH_FOREVER, NULL) != FILCH_ECANCELED ||
        filch_future_result(beats, FILCH_FOREVER, NULL) != 1)
        return 2;
    filch_future_release(in_time);
    filch_future_release(answer);
    filch_future_release(beats);
    if (filch_future_result(future, FILCH_FOREVER, NULL) != 0)
        return 3;
    return check(0, future);
}
END

example stats.h <<END
$common
static int parse(void *arg, void **result)
{
    return work(arg, result);
}
static int trace(void)
{
    QUOTED
    return 0;
}
int main(void)
{
    filch_options o = { .size = sizeof o, .workers = 1, .trace_events = 100 };
    filch_future *future = NULL;
    if (filch_executor_create(&ex, &o) != 0)
        return 1;
    int status = filch_submit(ex, parse, &ex, &future);
    if (filch_executor_wait_idle(ex, FILCH_FOREVER) != 0 || trace() != 0)
        return 2;
    return check(status, future);
}
END
[ "$(grep -c -E '^[0-9]+ start parse$' said)" = 1 ] || fail "stats.h: no start: $(cat said)"
[ "$(grep -c -E '^[0-9]+ end parse$' said)" = 1 ] || fail "stats.h: no end: $(cat said)"

# A function and a statement: the one stands before main, the other in it.
example submit.h sed -e 's/= \.\.\.;/= \&((int *)arg)[1];/' -e '/^static/!s/^/IN_MAIN /' <<END
$common
#define IN_MAIN int main(void) { int number[2] = { 7, 14 }; filch_future *future = NULL; \\
    if (filch_executor_create(&ex, NULL) != 0) return 1;
QUOTED
    void *result;
    if (status != 0 || filch_future_result(future, FILCH_FOREVER, &result) != 0 ||
        result != &number[1])
        return 2;
    filch_future_release(future);
    status = filch_submit(ex, work, &ex, &future);
    return check(status, future);
}
END

# A function and statements likewise.
example job.h sed 's/^int status/IN_MAIN &/' <<END
$common
#include <string.h>
#define IN_MAIN int main(void) { filch_future *future = NULL; void *result = NULL; \\
    if (filch_executor_create(&ex, NULL) != 0) return 1;
QUOTED
    if (status != 0 || b->len != 4 || memcmp(b->data, "abab", 4) != 0)
        return 2;
    filch_future_release(future);
    status = filch_submit(ex, work, &ex, &future);
    return check(status, future);
}
END

# main is cut in the middle.
example process.h sed 's/^ *\.\.\.$//; s/) \.\.\..*/) return 3;/' <<END
#include <filch/filch.h>
static filch_executor *ex;
static filch_future *future;
static const char bytes[] = "ab";
static const size_t len = 2;
static int status;
static void *result;
static int parse(const void *in, size_t in_len, filch_buffer *out)
{
    return filch_buffer_append(out, in, in_len);
}
QUOTED
    if (status != 0 || ((filch_buffer *)result)->len != 2)
        return 2;
    filch_future_release(future);
    filch_executor_destroy(ex);
    return 0;
}
END

example wait.h <<END
$common
static int used;
static void use(filch_future *future)
{
    used += filch_future_done(future);
}
int main(void)
{
    filch_future *futures[3];
    const size_t n = 3;
    if (filch_promise_create(&futures[0]) != 0 || filch_promise_create(&futures[1]) != 0 ||
        filch_executor_create(&ex, NULL) != 0 || filch_submit(ex, work, &ex, &futures[2]) != 0 ||
        filch_future_result(futures[2], FILCH_FOREVER, NULL) != 0) /* it waits no second for it */
        return 1;
    QUOTED
    filch_future_release(futures[1]);
    filch_future_release(futures[2]);
    return used == 1 && done == 1 ? check(0, futures[0]) : 2;
}
END

for header in "$FILCH_SOURCE_DIR"/include/filch/*.h; do
    header=${header##*/}
    [ -z "$(quoted "$header")" ] && continue
    case " $tried " in
    *" $header "*) ;;
    *) fail "nothing here tries what $header quotes" ;;
    esac
done
echo "README.md's programs, and what is quoted by$tried"
