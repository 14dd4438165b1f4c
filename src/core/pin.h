/* Keeps the library in memory. */
#ifndef FLAMBEAU_CORE_PIN_H
#define FLAMBEAU_CORE_PIN_H

/* From here on dlclose leaves the library, or the plugin that it is linked into, where it is: for
 * whoever leaves something behind that runs later (a thread, what runs at a thread's end). */
void pin_library(void);

#endif
