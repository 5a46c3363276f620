# SPDX-License-Identifier: MIT
#
# filch, installed into a prefix of its own, serves a three-line program through pkg-config, shared
# and static, and through find_package, shared and static; also after the prefix has moved.
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

cmake --install "$FILCH_BUILD_DIR" --prefix "$scratch/first" >"$scratch/log" ||
    { cat "$scratch/log"; fail "cmake --install"; }
mv "$scratch/first" "$scratch/moved"
prefix=$scratch/moved
pc=$(find "$prefix" -name filch.pc)
[ -n "$pc" ] || fail "no filch.pc was installed"
libdir=${pc%/pkgconfig/filch.pc}

mkdir "$scratch/user"
cat >"$scratch/user/user.c" <<'END'
#include <filch/filch.h>
static int work(void *arg, void **result) { *result = arg; return 0; }
int main(void)
{
    void *result = NULL;
    filch_executor *ex = NULL;
    filch_future *f = NULL;
    int status = filch_executor_create(&ex, NULL);
    if (status == 0)
        status = filch_submit(ex, work, &ex, &f);
    if (status == 0)
        status = filch_future_result(f, FILCH_FOREVER, &result);
    filch_future_release(f);
    filch_executor_destroy(ex);
    return status == 0 && result == &ex ? 0 : 1;
}
END
cat >"$scratch/user/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.21)
project(user C)
find_package(filch 0.1 REQUIRED)
add_executable(user_shared user.c)
target_link_libraries(user_shared PRIVATE filch::filch)
add_executable(user_static user.c)
target_link_libraries(user_static PRIVATE filch::filch_static)
END
cd "$scratch/user" || exit 1

export PKG_CONFIG_PATH=$libdir/pkgconfig
flags=$(pkg-config --cflags --libs filch) || fail "pkg-config does not find filch"
"$CC" -o pc_shared user.c $flags || fail "cc user.c $flags"
LD_LIBRARY_PATH=$libdir ./pc_shared || fail "the program linked through pkg-config"
ldd_line=$(LD_LIBRARY_PATH=$libdir ldd ./pc_shared | grep -c "$libdir/libfilch.so.0")
[ "$ldd_line" = 1 ] || fail "the program through pkg-config does not load $libdir/libfilch.so.0"

flags=$(pkg-config --static --cflags --libs filch) || fail "pkg-config --static"
"$CC" -static -o pc_static user.c $flags || fail "cc -static user.c $flags"
./pc_static || fail "the program linked statically through pkg-config"

cmake -S . -B build -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC" >log 2>&1 &&
    cmake --build build >>log 2>&1 || { cat log; fail "find_package(filch)"; }
build/user_shared || fail "the program linked to filch::filch"
build/user_static || fail "the program linked to filch::filch_static"
ldd build/user_static | grep -q libfilch && fail "filch::filch_static is linked to libfilch.so"
echo "a user's program: pkg-config shared and static, find_package shared and static"
