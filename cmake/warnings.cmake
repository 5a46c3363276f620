# SPDX-License-Identifier: MIT
#
# FILCH_WARNINGS: what C code of this tree is compiled with. They become errors with FILCH_WERROR
# alone: a newer compiler's new warning must not break a user's build.
set(FILCH_WARNINGS
    -Wall
    -Wextra
    -Wpedantic
    -Wshadow
    -Wconversion
    -Wstrict-prototypes
    -Wmissing-prototypes
    -Wundef
    -Wvla
    -Wswitch-enum)
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
    list(APPEND FILCH_WARNINGS -Werror=atomic-implicit-seq-cst)
endif()
if(FILCH_WERROR)
    list(APPEND FILCH_WARNINGS -Werror)
endif()
