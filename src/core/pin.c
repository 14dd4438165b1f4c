/* Keeps the library in memory: a program may close a plugin that links it while the pool's threads
 * sleep in its code, and a thread that ends later calls its clean-up. */
#include "core/pin.h"

#include <dlfcn.h>
#include <pthread.h>

static void pin(void)
{
    Dl_info self;
    if (dladdr((void *)pin_library, &self) && self.dli_fname)
        dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

void pin_library(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, pin);
}
