/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tool under ThreadSanitizer. Its runtime makes what it keeps of a
 * thread's signals at the thread's first blocking call, and a signal that
 * comes in that moment is lost: the handler never runs (SigCtx in
 * compiler-rt's tsan_interceptors_posix.cpp as of gcc 12). A program that
 * waits only once its work has begun loses one in thirty there. So the main
 * thread, which alone takes signals, blocks once before main.
 */
#include <time.h>

__attribute__((constructor)) static void block_once(void)
{
    const struct timespec none = {0, 0};
    nanosleep(&none, NULL);
}
