# SPDX-License-Identifier: MIT
#
# The simulator: core/ once more, compiled with the instrumentation for ThreadSanitizer and with the
# system's functions that core/base/ calls leading to the simulator's doors; the engine; and a program
# for each file sim_*.c. Not built under sanitizers: it is in their runtime's place.
set(sim_dir ${CMAKE_CURRENT_SOURCE_DIR}/sim)

set(sim_core ${filch_sources})
list(FILTER sim_core EXCLUDE REGEX "/core/naive/|/core/process/|/core/base/(thread|cpus)\\.c$")

# The doors are found before what they stand for. Small arrays and chunks grow and come to their ends
# within a few steps.
add_library(filch_sim_inside INTERFACE)
target_include_directories(filch_sim_inside INTERFACE ${sim_dir}/doors ${CMAKE_CURRENT_SOURCE_DIR})
target_include_directories(filch_sim_inside SYSTEM INTERFACE ${CK_INCLUDE_DIRS})
target_compile_definitions(
    filch_sim_inside INTERFACE FL_DEQUE_SLOTS=2 FL_CHUNK_BYTES=1024 FL_RING_START=0xFFFFFFFEU)
# Places are told by their address, and names by addr2line, whatever the build type.
target_compile_options(filch_sim_inside INTERFACE -g -fno-pie -include ${sim_dir}/doors/forks.h)
target_link_libraries(filch_sim_inside INTERFACE filch_inside)

add_library(filch_sim_instrumented INTERFACE)
target_compile_options(
    filch_sim_instrumented INTERFACE -O1 -fsanitize=thread -U__SANITIZE_THREAD__
                                     -fno-optimize-sibling-calls
                                     -Wno-tsan) # fences are seen here
target_link_libraries(filch_sim_instrumented INTERFACE filch_sim_inside)

add_library(filch_sim_core OBJECT ${sim_core})
target_link_libraries(filch_sim_core PRIVATE filch_sim_instrumented)
target_compile_definitions(filch_sim_core PRIVATE memset=sim_memset memcpy=sim_memcpy
                                                  memmove=sim_memmove)
target_compile_options(filch_sim_core PRIVATE -fexceptions)
# What core/base/ calls of the system's, and what it gets here.
function(redirect file)
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/core/base/${file} APPEND PROPERTY COMPILE_DEFINITIONS
                                                                                ${ARGN})
endfunction()
redirect(futex.c syscall=sim_syscall)
redirect(clock.c clock_gettime=sim_clock_gettime)
redirect(forked.c mmap=sim_mmap munmap=sim_munmap madvise=sim_madvise)
redirect(notify.c eventfd=sim_eventfd read=sim_read write=sim_write close=sim_close)
redirect(alloc.c malloc=sim_malloc free=sim_malloc_free posix_memalign=sim_posix_memalign)

set(sim_engine engine memory trace explore hooks lin doors/doors)
list(TRANSFORM sim_engine PREPEND ${sim_dir}/)
list(TRANSFORM sim_engine APPEND .c)
add_library(filch_sim_engine STATIC ${sim_engine})
target_link_libraries(filch_sim_engine PRIVATE filch_sim_inside)
target_compile_options(filch_sim_engine PRIVATE -O2)

file(GLOB sim_programs CONFIGURE_DEPENDS ${sim_dir}/sim_*.c)
foreach(file IN LISTS sim_programs)
    get_filename_component(name ${file} NAME_WE)
    read_lines(${file} seconds)
    add_executable(${name} ${file})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                             ${CMAKE_CURRENT_BINARY_DIR}/sim)
    target_link_options(${name} PRIVATE -no-pie)
    target_link_libraries(${name} PRIVATE filch_sim_instrumented filch_sim_core filch_sim_engine
                                          ${CK_LIBRARIES} Threads::Threads)
    add_test(NAME sim/${name} COMMAND ${name} --quick --keep-going)
    set_up_test(sim/${name} sim sim "${file_seconds}")
endforeach()
