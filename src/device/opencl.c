/* OpenCL's place among the drivers. */
#include "core/error.h"
#include "device/devices.h"

static int count(void)
{
    return 0;
}

static struct device *open_opencl(int index)
{
    (void)index;
    return error_null(FL_RUNTIME_ERROR, "Flambeau has no opencl device in this build; use "
                                        "device='cpu'");
}

const struct driver driver_opencl = {"opencl", count, open_opencl};
