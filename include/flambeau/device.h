/* Devices beside the CPU: how many there are, and waiting for them. A tensor goes to one by fl_to, a
 * module by fl_module_to, and what is made with an fl_device is made there. */
#ifndef FLAMBEAU_DEVICE_H
#define FLAMBEAU_DEVICE_H

#include "flambeau/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How many devices of a kind there are; 0 where its driver is not installed. */
FL_API int fl_device_count(fl_device_kind kind);
/* Waits until all that was asked of a device has been done. 0, or -1 with the error set: also one
 * that some earlier call left behind. */
FL_API int fl_synchronize(fl_device device);

#ifdef __cplusplus
}
#endif

#endif
