# Several sources at a time are compiled as one, for most of a compilation is its headers; not where clang-tidy is to know each source.
option(QUORATE_COMPILE_TOGETHER "Compile the sources of tests, and of all under sanitizers, several at a time" ON)
function(quorate_compile_together target sources_each)
  if(QUORATE_COMPILE_TOGETHER)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${sources_each})
  endif()
endfunction()

# quorate_room(NAME SOURCES ... USES ...): the library target of one folder, quorate::NAME. Optimised, each of its sources is compiled
# by itself: one that changes, as in each of tools/mutate's many builds, is then all that is compiled again.
function(quorate_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES" ${ARGN})
  add_library(quorate_${name} STATIC ${ARG_SOURCES})
  add_library(quorate::${name} ALIAS quorate_${name})
  target_include_directories(quorate_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(quorate_${name} PUBLIC ${ARG_USES} PRIVATE quorate_warnings)
  if(QUORATE_SANITIZE)
    quorate_compile_together(quorate_${name} 8)
  endif()
endfunction()

# quorate_runs_once(target): what reads flags or shows an answer, and is done. A short build is worth more there than fast code.
function(quorate_runs_once target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1>)
  quorate_compile_together(${target} 8)
endfunction()

# quorate_test(NAME SOURCES ... USES ... [LABELS ...] [TIMEOUT seconds] [RUN_SERIAL]): a GoogleTest program, one ctest entry for
# each of its tests; under sanitizers one for all of them, since there a program's start takes longer than most tests, unless LABELS
# names them as tests of processes, whose own program is as it always is.
function(quorate_test name)
  cmake_parse_arguments(ARG "RUN_SERIAL" "TIMEOUT" "SOURCES;USES;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_USES} GTest::gtest GTest::gmock GTest::gtest_main quorate_warnings)
  quorate_compile_together(${name} 16)
  if(QUORATE_SANITIZE AND NOT ARG_LABELS)
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES TIMEOUT 900)
    return()
  endif()
  gtest_discover_tests(${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} RUN_SERIAL ${ARG_RUN_SERIAL} LABELS "${ARG_LABELS}")
endfunction()

# quorate_bench(NAME SOURCES ... USES ...): a program of benchmarks, run by hand: it measures, and tests nothing. Optimised whatever the
# folder around it is, and not built under sanitizers, which would measure themselves.
find_package(benchmark QUIET)
function(quorate_bench name)
  if(NOT benchmark_FOUND OR QUORATE_SANITIZE)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;USES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE -O2)
  target_link_libraries(${name} PRIVATE ${ARG_USES} benchmark::benchmark_main quorate_warnings)
endfunction()

add_library(quorate_warnings INTERFACE)
target_compile_options(quorate_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast
  -Woverloaded-virtual -Wimplicit-fallthrough -Wswitch-enum)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these for correct library code once sanitizers or -O2 have inlined it.
  target_compile_options(quorate_warnings INTERFACE -Wno-maybe-uninitialized -Wno-restrict -Wno-dangling-pointer
    -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
endif()
