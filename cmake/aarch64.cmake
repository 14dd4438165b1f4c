# Cross-compiling for 64-bit ARM from another Linux, with what the tests need to run under QEMU:
# cmake -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake (Debian: apt-get install gcc-aarch64-linux-gnu
# libc6-dev-arm64-cross qemu-user). opgen, which the build runs, is emulated too.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
