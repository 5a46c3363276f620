#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_search.sh: filch-search prints what grep -rFI prints, says what grep says on stderr, and ends
# with grep's status, on /usr/include and on trees with every odd thing in them that grep knows of.
#
#     FILCH_BUILD_DIR=build/release tests/examples/test_search.sh [--big]
#
# --big, or FILCH_SCALE above 1, adds a real file of 300 MB and a tree of 20,000 files.
# seconds: 400
#
# Some functions are called through theirs and ours, and some scripts are for other shells:
# shellcheck disable=SC2317,SC2016
set -u
export LC_ALL=C
search=${FILCH_BUILD_DIR:?where filch is built}/examples/filch-search
[ -x "$search" ] || { echo "skipped: $search is not built"; exit 77; }
big=0
[ "${1-}" = --big ] && big=1
[ "${FILCH_SCALE:-1}" != 1 ] && big=1

work=$(mktemp -d "${TMPDIR:-/tmp}/filch-search.XXXXXX") || exit 1
trap 'chmod -R u+rwx "$work" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir out tree
failed=0
cases=0

# The ways to run it. A sanitizer slows each start down, and one thread has no race to be found.
ways=(-w3 -1 "-w2 --hold=3000" "-w2 --window=50" "--processes -w2" "--processes -w1 --hold=3000")
[ -n "${FILCH_SANITIZE-}" ] && ways=(-w3 "--processes -w2 --hold=3000")

fail()
{
    echo "FAILED: $*"
    failed=1
}

# What is on stdin is there anew for each run: the file "input".
: >input

# The judge, one process for all cases, knows what grep has printed and said in the end ("theirs"), and
# answers whether what filch-search has is the same but for the order of the lines and the name of the
# program ("ours"): "same", or which of both differs; then it leaves out/theirs and out/ours sorted.
coproc judge {
    perl -e '
        $| = 1;
        my (%theirs, %same_as_theirs);
        sub content {
            my ($name) = @_;
            open my $f, "<:raw", "out/$name" or die "out/$name: $!";
            local $/;
            return scalar <$f> // "";
        }
        sub sorted { return join "", sort map { /\n\z/ ? $_ : "$_\n" } split /^/, $_[0]; }
        sub leave {
            my ($name, $text) = @_;
            open my $f, ">:raw", "out/$name" or die "out/$name: $!";
            print $f $text;
        }
        while (my $asked = <STDIN>) {
            if ($asked eq "theirs\n") {
                my $said = content("theirs.said");
                $said =~ s/^grep: /filch-search: /mg;
                %theirs = ("" => sorted(content("theirs")), ".said" => sorted($said));
                %same_as_theirs = ();
                print "known\n";
                next;
            }
            my @other;
            for my $what ("", ".said") {
                my $ours = content("ours$what");
                # Most ways print in one order, and so what one of them has printed.
                next if defined $same_as_theirs{$what} && $same_as_theirs{$what} eq $ours;
                my $ours_sorted = sorted($ours);
                if ($ours_sorted eq $theirs{$what}) {
                    $same_as_theirs{$what} = $ours;
                    next;
                }
                leave("theirs$what", $theirs{$what});
                leave("ours$what", $ours_sorted);
                push @other, $what eq "" ? "lines" : "messages";
            }
            print @other ? "@other\n" : "same\n";
        }
    '
}
judge_pid=$!

# asked WHAT: the judge's answer is in "answer".
asked()
{
    answer="no answer"
    echo "$1" >&"${judge[1]}"
    IFS= read -r answer <&"${judge[0]}" || fail "the judge has gone"
}

# theirs COMMAND...: grep's lines, messages and status are what the next ones of ours are held against.
theirs()
{
    "$@" <input >out/theirs 2>out/theirs.said
    their_status=$?
    asked theirs
}

# ours NAME COMMAND...: the same but for the order of the lines and the name of the program.
ours()
{
    local name=$1
    shift
    "$@" <input >out/ours 2>out/ours.said
    our_status=$?
    held_against_theirs "$name"
}

held_against_theirs()
{
    local what
    cases=$((cases + 1))
    asked ours
    if [ "$answer" != same ]; then
        for what in $answer; do
            fail "$1: other $what"
            case $what in
            lines) diff -a out/theirs out/ours ;;
            messages) diff -a out/theirs.said out/ours.said ;;
            esac | cut -c 1-300 | head -n 5
        done
    fi
    [ "$their_status" = "$our_status" ] ||
        fail "$1: grep ends with $their_status, filch-search with $our_status"
}

# same NAME ARGUMENT...: all ways agree with grep, with numbers; the first one without them too. With a
# sanitizer one way does, and the next has the next case.
turn=0
same()
{
    local name=$1 way tried=("${ways[@]}")
    shift
    theirs grep -rFnI "$@"
    if [ -n "${FILCH_SANITIZE-}" ]; then
        tried=("${ways[turn++ % ${#ways[@]}]}")
    fi
    for way in "${tried[@]}"; do
        # shellcheck disable=SC2086
        ours "$name ($way -n)" "$search" $way -n "$@"
    done
    [ $((turn % 4)) = 0 ] || return
    theirs grep -rFI "$@"
    ours "$name (${ways[0]})" "$search" "${ways[0]}" "$@"
}

# ---- A tree with a bit of everything.
mkdir -p tree/dir/sub tree/'a dir with spaces' tree/empty_dir tree/$'new\nline' tree/-dash
printf 'hello x\nno\nhello again x\n' >tree/plain
printf 'no newline x' >tree/last
printf '\n\nx\n\n' >tree/blank
: >tree/empty
printf 'crlf x\r\nlonely\rx\r\n' >tree/crlf
printf 'x before\nx\0x\nx behind\n' >tree/binary
printf 'x\xff\xfe latin \xe9\nx fine\n' >tree/latin
printf 'caf\xc3\xa9 x\n' >tree/utf8
printf 'x in a space\n' >tree/'a dir with spaces'/'a name with  spaces '
printf 'x in lines\n' >tree/$'new\nline'/$'two\nlines\n'
printf 'x in a dash\n' >tree/-dash/-e
printf 'x deep\nxx xxx\n' >tree/dir/sub/file
printf 'x of a hidden one\n' >tree/.hidden
printf 'x of a name\n' >tree/$'\xff\x01name'
ln -s plain tree/link
ln -s ../dir tree/dir/loop
ln -s . tree/self
ln -s nowhere tree/dangling
mkfifo tree/fifo
perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un("tree/socket")) or die'
[ -S tree/socket ] || fail "no socket could be made"
ln -s tree tree_link
ln -s tree/plain file_link

same "a tree" x tree
same "a tree, slashes behind" x tree///
same "a tree, dotted" x ./tree/.
same "several trees and files" x tree/plain tree tree/dir tree/plain
same "no match" zzz tree
same "one file is not named" x tree/plain
same "one directory" x tree/dir/sub
same "a file without a newline at its end" x tree/last
same "an empty file" x tree/empty
same "an empty directory" x tree/empty_dir
same "a binary file" x tree/binary
same "a link on the command line is followed" x tree_link
same "a link to a file" x file_link tree/link
same "a link in a link" x tree_link/dir/loop
same "nothing there" x nowhere tree/plain
same "only nothing there" x nowhere
same "an empty name" x '' tree/plain
same "a dangling link" x tree/dangling
same "a name through a file" x tree/plain/x
same "a device" x /dev/null tree/plain
same "an endless device of NULs" x /dev/zero
same "the empty pattern" '' tree
same "the empty pattern in one file" '' tree/blank
same "the empty pattern in an empty file" '' tree/empty
same "two patterns" $'again\ndeep' tree
same "two patterns, one at the end of the other" $'x\nhello x' tree
same "patterns with an empty one behind" $'deep\n' tree
same "patterns with an empty one before" $'\ndeep' tree
same "only an empty pattern more" $'\n' tree
same "a pattern with a dash" -- -x tree
same "a pattern of special characters" '.*[' tree
same "a pattern longer than the files" "$(printf '%01000d' 0)" tree
same "a carriage return" $'\r' tree
same "bytes that are no text" $'\xff' tree
same "part of a character" $'\xa9' tree
same "a whole line" 'hello x' tree
same "a repeated pattern" xx tree

cd tree || exit 1
mkdir ../tree/out 2>/dev/null || exit 1
rmdir out && ln -s ../out out && : >input
same "no path" x
same "a dot" x .
same "a dot and a slash" x ./
same "two dots" x ../tree
same "a name that begins with a dash" -- x -dash
rm out input
cd .. || exit 1

printf 'x of stdin\nx\n' >input
same "stdin" x -
same "stdin and a file" x - tree/plain
same "stdin, twice" x - tree/plain -
: >input

# In a locale of several bytes a character, lines that are not text are found but not printed.
export LC_ALL=C.UTF-8
same "UTF-8: lines that are no text" x tree
same "UTF-8: nothing but such a line" $'\xe9' tree/latin
same "UTF-8: text" $'\xc3\xa9' tree
same "UTF-8: part of a character" $'\xa9' tree
export LC_ALL=C

# ---- Windows: lines across them, lines longer than they are, and NULs that come late.
mkdir windows
perl -e '
    sub make { my ($name, $data) = @_; open my $f, ">", "windows/$name" or die; print $f $data; }
    my $lines = join "", map { sprintf "line %06d e\n", $_ } 1 .. 20000;
    for my $at (0, 98303, 98304, 98305, 196607, 196608, 196609, 250000) {
        my $data = $lines;
        substr($data, $at, 1) = "\0";
        make("nul$at", $data);
    }
    make("exact", substr($lines, 0, 98304));
    make("short", substr($lines, 0, 98303));
    make("more", substr($lines, 0, 98305));
    make("twice", substr($lines, 0, 196608));
    make("newlines", "\n" x 200000);
    make("one_line", "e" x 1000000);
    make("one_line_ended", ("f" x 1000000) . "e\n");
    make("long_lines", join "", map { ("f" x ($_ * 9973)) . "e\n" } 1 .. 20);
    make("long_nul", ("e" x 300000) . "\n" . ("f" x 300000) . "\0e\n");
    make("long_then_nul", ("e" x 150000) . "\n" . $lines . "\0\n");
    make("border$_", ("f" x (98304 - $_)) . "needle\n" . "needle" . ("f" x 98300)) for 0 .. 7;
'
# What is printed of a file whose NULs come late depends on where a window ends, and grep's window
# stays as large as an earlier file has made it: such files are searched one by one.
all_ways=("${ways[@]}")
ways=(-w3 "-w2 --hold=3000" "--processes -w2")
for file in windows/*nul*; do
    same "NULs, $file" e "$file"
done
same "NULs, a rare match before them" 'line 005000 e' windows/nul250000
ways=("${all_ways[@]}")
rm windows/nul* windows/long_nul windows/long_then_nul
same "windows of text" e windows
same "across windows" needle windows
theirs grep -rFnI needle windows
for window in 24 25 1000 4096 98303; do
    ours "across windows of $window" "$search" --window=$window -n needle windows
done

# ---- Sizes: a hole is as good as a NUL, and what does not know its size is read to its end.
printf 'x\n' >hole && truncate -s 5G hole
same "five gigabytes of hole" x hole
perl -e 'print "x\n" x 60000' >hole && truncate -s 5G hole
same "a hole behind the first window" x hole
rm hole
same "files that claim to be empty" e /proc/self/limits /proc/version

# ---- Deep trees.
perl -e '
    chdir "tree/dir" or die;
    for my $i (1 .. 60) {
        my $name = ("d" x 99) . $i;
        mkdir $name and chdir $name or die "$name: $!";
        open my $f, ">", "file" or die;
        print $f "x at $i\n";
    }
'
same "paths longer than a path may be" x tree
perl -e 'mkdir "deep"; chdir "deep"; for (1 .. 800) { mkdir "d"; chdir "d" or die }
         open my $f, ">", "file"; print $f "x at the bottom\n"'
same "800 levels" x deep
rm -rf deep

# ---- What may not be read. Root may read everything, and so becomes somebody else.
mkdir -p closed/list_only closed/no_list
printf 'x\n' | tee closed/open closed/shut closed/list_only/file >closed/no_list/file
mkdir closed/list_only/dir
chmod 000 closed/shut closed/no_list
chmod 444 closed/list_only
chmod 755 . closed
chmod 777 out
somebody=()
[ "$(id -u)" = 0 ] && somebody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if "${somebody[@]}" "$search" --help >/dev/null 2>&1; then
    for where in closed "closed/shut closed/open" closed/no_list closed/list_only; do
        # shellcheck disable=SC2086
        theirs "${somebody[@]}" grep -rFnI x $where
        [ -s out/theirs.said ] || fail "grep may read all of $where"
        # shellcheck disable=SC2086
        ours "forbidden: $where" "${somebody[@]}" "$search" -n x $where
    done
else
    echo "left out: files that may not be read (nobody cannot run $search)"
fi
chmod 755 closed/list_only closed/no_list

# A directory mounted inside itself is the one loop without a symbolic link.
mkdir -p round/inner
printf 'x\n' >round/file
if unshare -m sh -c 'mount --bind round round/inner' 2>/dev/null; then
    mounted='mount --bind round round/inner && exec "$@"'
    theirs unshare -m sh -c "$mounted" sh grep -rFnI x round
    [ -s out/theirs.said ] || fail "no loop was made"
    ours "a directory inside itself" unshare -m sh -c "$mounted" sh "$search" -n x round
else
    echo "left out: a directory mounted inside itself (mounting is not allowed)"
fi

# ---- Output.
for way in "${ways[@]}"; do
    # shellcheck disable=SC2086
    "$search" $way x tree >out/first 2>&1
    # shellcheck disable=SC2086
    "$search" $way x tree >out/second 2>&1
    cmp -s out/first out/second || fail "$way: two runs, two orders"
    [ -e out/order ] || cp out/first out/order
    cmp -s out/first out/order || fail "$way: another order than ${ways[0]}"
done

mkdir sorted
for name in m z B aa a.b _ 10 9 a ' ' 'a b'; do
    mkdir sorted/"$name" && printf 'x\n' >sorted/"$name"/file
    printf 'x\n' >sorted/"$name"_
done
for way in "${ways[@]}"; do
    # shellcheck disable=SC2086
    "$search" $way x sorted | cut -d / -f 2 | cut -d : -f 1 >out/names
    sort -c out/names || fail "not sorted by name ($way)"
    [ "$(wc -l <out/names)" = 22 ] || fail "names are missing ($way)"
done

# into FILE COMMAND...: COMMAND with its output appended to FILE.
into()
{
    local file=$1
    shift
    "$@" >>"$file"
}
theirs into tree/output grep -rFnI x tree
sort tree/output >out/appended
rm tree/output
ours "the output is in the tree" into tree/output "$search" -n x tree
sort tree/output | cmp -s - out/appended || fail "the output is in the tree: other lines"
rm tree/output

theirs into /dev/full grep -rFI x tree
for way in "${ways[@]}"; do
    # shellcheck disable=SC2086
    ours "a full disk ($way)" into /dev/full "$search" $way x tree
done

# closed_early COMMAND...: COMMAND with an output that nobody reads to its end. Nothing of it counts.
closed_early()
{
    { "$@"; echo $? >out/status; } | head -c 1 >/dev/null
    return "$(cat out/status)"
}
ignoring()
{
    (trap '' PIPE && closed_early "$@")
}
theirs ignoring grep -rFI e windows
for way in "${ways[@]}"; do
    # shellcheck disable=SC2086
    ours "a broken pipe, ignored ($way)" ignoring "$search" $way e windows
done
for way in "${ways[@]}"; do
    # shellcheck disable=SC2086
    closed_early perl -e '$SIG{PIPE} = "DEFAULT"; exec @ARGV' "$search" $way e windows 2>out/ours.said
    [ $? = 141 ] || fail "a broken pipe does not kill ($way)"
    [ -s out/ours.said ] && fail "a broken pipe is not quiet ($way): $(head -n 1 out/ours.said)"
done

# A pipe on the command line is read, and what comes is printed as it comes.
mkfifo pipe answers
exec 3<>pipe 4<>answers
"$search" -n x pipe >answers 3>&- 4>&- &
reader=$!
printf 'x one\n' >&3
IFS= read -r -t 20 line <&4
[ "${line-}" = '1:x one' ] || fail "a pipe's line does not come before the pipe ends: ${line-}"
printf 'no\nx two' >&3
exec 3>&-
IFS= read -r -t 20 line <&4
[ "${line-}" = '3:x two' ] || fail "a pipe's last line does not come: ${line-}"
exec 4<&-
wait $reader

# ---- Limits.
theirs grep -rFnI e windows tree /usr/include/linux
for way in "-w8" "-w8 --hold=3000" "-w200"; do
    # shellcheck disable=SC2086
    ours "few files may be open ($way)" sh -c 'ulimit -n 24 && exec "$@"' sh "$search" $way -n \
        e windows tree /usr/include/linux
done
theirs grep -rFnI e windows tree
for hold in 0 63 64 6400 100000 10000000; do
    ours "little may wait ($hold)" "$search" -w2 --hold=$hold -n e windows tree
    ours "little may wait ($hold, --processes)" "$search" --processes -w2 --hold=$hold -n e windows tree
done

# A file that shrinks and grows while it is read gives some lines or others, and no crash.
perl -e 'print "x\n" x 300000' >whole
cp whole tree/shrinking
while :; do
    : >tree/shrinking
    cat whole >tree/shrinking
done &
shrinker=$!
for i in 1 2 3 4 5 6 7 8; do
    "$search" --window=$((i * 100)) x tree/shrinking >out/ours 2>out/ours.said
    status=$?
    [ $status -le 1 ] || fail "a shrinking file: status $status, $(head -n 1 out/ours.said)"
done
kill $shrinker
wait $shrinker 2>/dev/null
rm tree/shrinking whole

# ---- Options.
"$search" --help >out/ours 2>out/ours.said || fail "--help"
grep -q '^Usage: filch-search' out/ours || fail "--help says nothing"
"$search" --help >/dev/full 2>/dev/null
[ $? = 2 ] || fail "--help to a full disk"
most=$(sed -n 's/.*workers.* 1 to \([0-9]*\).*/\1/p' out/ours)
"$search" --workers="$most" x tree/plain >/dev/null || fail "$most workers"
for wrong in "-w 0 x tree" "-w $((most + 1)) x tree" "-w -1 x tree" "-w 2x x tree" "-w" "" "-n" "-z x tree" \
    "--window=0 x tree" "--window=999999999999 x tree" "--hold=-1 x tree" "--nonsense x tree"; do
    # shellcheck disable=SC2086
    "$search" $wrong >out/ours 2>out/ours.said
    [ $? = 2 ] || fail "status for: filch-search $wrong"
    [ -s out/ours ] && fail "something is printed for: filch-search $wrong"
    grep -q "Try 'filch-search --help'" out/ours.said || fail "no advice for: filch-search $wrong"
done
for way in -w3 -1 "--processes -w3" "--processes -w1" "--processes -1"; do
    # shellcheck disable=SC2086
    "$search" $way --stats x tree/dir/sub tree/plain tree/binary >/dev/null 2>out/ours.said
    bytes=$(cat tree/dir/sub/file tree/plain tree/binary | wc -c)
    grep -Eq "^filch-search: 3 files, $bytes bytes, [0-9.]+ s, [0-9]+ MB/s, (3 threads|1 thread|3 processes|1 process)$" out/ours.said ||
        fail "--stats says: $(cat out/ours.said)"
done

# ---- A file that crashes whoever reads it: here a library sees to that. It costs its own lines, and neither the
# main process nor any other has read it then.
if [ -n "${FILCH_SANITIZE-}" ]; then
    echo "left out: files that crash (a sanitizer wants to be loaded first)"
else
    cat >crash.c <<'END'
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
ssize_t read(int fd, void *buf, size_t n)
{
    ssize_t got = syscall(SYS_read, fd, buf, n);
    if (got > 0 && memmem(buf, (size_t)got, "crash here", 10) != NULL)
        abort();
    return got;
}
END
    "$CC" -shared -fPIC -o crash.so crash.c || fail "crash.c does not compile"
    mkdir -p fragile/dir
    for i in 1 2 3 4 5 6 7 8 9; do
        perl -e 'print "x $_\n" x 200 for 1 .. 20' >fragile/dir/$i
    done
    cp -r fragile sound
    printf 'x\ncrash here\n' | tee fragile/0 fragile/dir/5_ fragile/dir/6_ >fragile/z
    (cd sound && "$search" -n x .) >out/theirs
    for way in "--processes -w3" "--processes -w1" "--processes -w2 --hold=3000"; do
        # shellcheck disable=SC2086
        (cd fragile && LD_PRELOAD=$work/crash.so timeout 60 "$search" $way -n x .) >out/ours 2>out/ours.said
        [ $? = 2 ] || fail "files that crash ($way): another status"
        cmp out/theirs out/ours || fail "files that crash ($way): other lines"
        sed 's/process [0-9]*/process N/' out/ours.said >out/said
        for name in 0 dir/5_ dir/6_ z; do
            echo "filch-search: ./$name: the process N that ran it has died of signal 6"
        done | cmp - out/said || fail "files that crash ($way): $(head -n 1 out/ours.said)"
    done
    sh -c 'cd fragile; LD_PRELOAD=$1 "$2" -w3 x .; exit $?' sh "$work/crash.so" "$search" >/dev/null 2>&1
    [ $? = 134 ] || fail "files that crash do not crash threads"
fi

# ---- Progress: on a terminal, after a second, and gone in the end.
if command -v script >/dev/null; then
    cat >out/slow <<'END'
for i in 1 2 3 4 5 6; do echo x $i; done
for i in $(seq 400); do # it is shown when something comes
    grep -aq '0 of 1 files' out/typescript && break
    sleep 0.25
    echo y
done
echo x 7
END
    script -qefc "sh out/slow | '$search' x - >out/ours" out/typescript >/dev/null 2>&1 </dev/null
    [ "$(wc -l <out/ours)" = 7 ] || fail "a slow pipe"
    grep -aq '0 of 1 files' out/typescript || fail "no progress on a terminal"
    grep -a 'of 1 files' out/typescript | grep -aq $'s\r\033\[K' || fail "progress stays behind"
else
    echo "left out: progress on a terminal (there is no script(1))"
fi

# ---- Real input.
if [ -d /usr/include ]; then
    for pattern in printf '#include <' zzz-not-there; do
        theirs grep -rFnI -- "$pattern" /usr/include
        ours "/usr/include: $pattern" "$search" -n -- "$pattern" /usr/include
        cp out/ours out/threads
        ours "/usr/include: $pattern (--processes)" "$search" --processes -n -- "$pattern" /usr/include
        if [ "$answer" = same ] && [ -s out/threads ]; then
            cmp out/threads out/ours || fail "/usr/include: $pattern: processes print in another order"
        fi
    done
    # Windows of 50 bytes are for files like those above.
    [ ${#ways[@]} -gt 3 ] && unset 'ways[3]'
    same "/usr/include" FILE /usr/include
fi

if [ $big = 1 ]; then
    perl -e 'for my $i (1 .. 6000000) { printf "%08d a line of fifty bytes, needle%4d times%s\n",
             $i, $i % 1000, "." x 5 }' >big
    same "300 MB, few matches" 'needle 999' big
    ways=(-w2 -1)
    same "300 MB, all matches" a big tree/plain
    rm big
    mkdir many
    perl -e 'for my $i (1 .. 20000) { open my $f, ">", "many/$i" or die; print $f "x $i\n" }'
    same "20,000 files" x many
fi

kill -0 "$judge_pid" 2>/dev/null || fail "the judge has gone"
if [ $failed = 0 ]; then
    echo "$cases comparisons with $(grep --version | head -n 1): all the same"
fi
exit $failed
