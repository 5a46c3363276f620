# SPDX-License-Identifier: MIT
#
# What libfilch.so is made of: it needs libc and Concurrency Kit and no other library, above all no
# jemalloc; nothing of it runs when it is loaded; it defines nothing that a host calls for itself.
set -u
export LC_ALL=C
if [ -n "$FILCH_SANITIZE" ]; then
    echo "skipped here: a sanitizer adds libraries and constructors of its own"
    exit 77
fi
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
status=0
fail() {
    echo "FAIL: $*"
    status=1
}

needed=$(readelf -dW "$FILCH_LIBRARY" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for library in $needed; do
    case $library in
    libc.so.* | libck.so.* | libpthread.so.* | libgcc_s.so.* | ld-linux*) ;;
    *) fail "libfilch.so needs $library" ;;
    esac
done

# Each compiler puts a function or two of its own into any shared object; filch adds none.
section_bytes() { # file, section
    readelf -SW "$1" | sed 's/^ *\[ *[0-9]*\] *//' | awk -v name="$2" '$1 == name { print $5 }'
}
echo 'int empty_object;' >"$scratch/empty.c"
"$CC" -shared -fPIC -o "$scratch/empty.so" "$scratch/empty.c" || exit 1
for section in .init_array .fini_array .preinit_array .ctors .dtors; do
    ours=$(section_bytes "$FILCH_LIBRARY" $section)
    empty=$(section_bytes "$scratch/empty.so" $section)
    [ "$ours" = "$empty" ] ||
        fail "$section is ${ours:-absent}, in an empty library ${empty:-absent}: a constructor"
done

dynamic=$(readelf -dW "$FILCH_LIBRARY")
case $dynamic in
*NODELETE*) ;;
*) fail "libfilch.so may be unloaded under its threads: not linked with -z nodelete" ;;
esac
case $dynamic in
*NOW*) ;;
*) fail "not linked with -z now" ;;
esac
case $dynamic in
*TEXTREL*) fail "text relocations" ;;
esac
case $dynamic in
*STATIC_TLS*) fail "initial-exec thread-local storage: dlopen may have no room for it" ;;
esac
case $dynamic in
*"[libfilch.so.0]"*) ;;
*) fail "the SONAME is not libfilch.so.0" ;;
esac

defined=$(nm -D --defined-only "$FILCH_LIBRARY" | awk '{ sub(/@.*/, "", $3); print $3 }')
for name in malloc free calloc realloc reallocarray memalign aligned_alloc posix_memalign \
    malloc_usable_size signal sigaction pthread_create fork; do
    printf '%s\n' "$defined" | grep -qx "$name" && fail "libfilch.so defines $name"
done

[ $status -eq 0 ] && echo "libfilch.so needs:" $needed
exit $status
