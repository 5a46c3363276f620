# SPDX-License-Identifier: MIT
#
# FILCH_SANITIZE instruments all that is built from here on, tests and examples included. A report
# ends the program: there is no suppression file, and none is wanted.
if(FILCH_SANITIZE STREQUAL "address")
    set(filch_sanitizers -fsanitize=address,undefined)
    add_compile_options(${filch_sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(${filch_sanitizers})
elseif(FILCH_SANITIZE STREQUAL "thread")
    add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
    add_link_options(-fsanitize=thread)
elseif(FILCH_SANITIZE)
    message(FATAL_ERROR "FILCH_SANITIZE is address, thread or empty, not ${FILCH_SANITIZE}")
endif()
