/* The meta device: tensors that are shapes and dtypes. It has no memory, and nothing runs. */
#include "core/error.h"
#include "device/devices.h"

static int count(void)
{
    return 1;
}

static struct device meta = {
    .id = {FL_META, 0}, .name = "meta", .memory = DEVICE_NONE}; /* no function is ever called */

static struct device *open_meta(int index)
{
    (void)index; /* PyTorch takes any, and shows none */
    return &meta;
}

const struct driver driver_meta = {"meta", false, count, open_meta};
