/* Devices, for C programs. */
#include "core/error.h"
#include "device/devices.h"
#include "flambeau/device.h"

int fl_device_count(fl_device_kind kind)
{
    return device_count((int)kind);
}

int fl_synchronize(fl_device device)
{
    struct device *d = device_find(device);
    return d ? (d->wait ? d->wait(d) : 0) : -1;
}
