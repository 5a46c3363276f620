# SPDX-License-Identifier: MIT
#
# What cmake --install puts under the prefix: headers, both libraries, filch.pc for pkg-config and
# filchConfig.cmake for find_package. All of it may be moved together to another place.
include(CMakePackageConfigHelpers)

set(filch_cmakedir ${CMAKE_INSTALL_LIBDIR}/cmake/filch)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/filch DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")
install(TARGETS filch filch_static EXPORT filchTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT filchTargets NAMESPACE filch:: DESTINATION ${filch_cmakedir})

configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/cmake/filchConfig.cmake.in ${PROJECT_BINARY_DIR}/filchConfig.cmake
    INSTALL_DESTINATION ${filch_cmakedir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/filchConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/filchConfig.cmake
              ${PROJECT_BINARY_DIR}/filchConfigVersion.cmake DESTINATION ${filch_cmakedir})

# filch.pc finds its prefix from where it lies; absolute folders stay as they were given.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
    set(filch_pc_prefix ${CMAKE_INSTALL_PREFIX})
    set(filch_pc_libdir ${CMAKE_INSTALL_LIBDIR})
else()
    file(RELATIVE_PATH filch_pc_up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    string(REGEX REPLACE "/$" "" filch_pc_up ${filch_pc_up})
    set(filch_pc_prefix "\${pcfiledir}/${filch_pc_up}")
    set(filch_pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
    set(filch_pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
else()
    set(filch_pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
list(JOIN CK_LDFLAGS " " filch_pc_ck)
configure_file(${PROJECT_SOURCE_DIR}/cmake/filch.pc.in ${PROJECT_BINARY_DIR}/filch.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/filch.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
