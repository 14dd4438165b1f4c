/* Sequences of different lengths in one tensor: padded to the longest, or packed step by step.
 *
 * Packed rows stand in the order in which a recurrent net reads them: first the first step of all
 * sequences, longest sequence first, then the second step of those that have one. Both ways are one
 * gather or scatter of rows by number. Lengths and batch sizes live on the CPU, wherever the rows are.
 */
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

static int check_lengths(const fl_tensor *lengths, int64_t batch)
{
    if (lengths->ndim != 1 || lengths->dtype != FL_INT64)
        return error_set(
            FL_RUNTIME_ERROR,
            "'lengths' argument should be a 1D CPU int64 tensor, but got %dD cpu %s tensor",
            lengths->ndim, dtype_title(lengths->dtype));
    if (lengths->numel != batch)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected `len(lengths)` to be equal to batch_size, but got %lld "
                         "(batch_size=%lld)",
                         (long long)lengths->numel, (long long)batch);
    const int64_t *length = tensor_data(lengths);
    for (int64_t n = 0; n < batch; n++) {
        if (length[n * lengths->strides[0]] <= 0)
            return error_set(FL_RUNTIME_ERROR,
                             "Length of all samples has to be greater than 0, but found an element "
                             "in 'lengths' that is <= 0");
        if (n > 0 && length[n * lengths->strides[0]] > length[(n - 1) * lengths->strides[0]])
            return error_set(
                FL_RUNTIME_ERROR,
                "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
                "You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence "
                "to sidestep this requirement if you do not need ONNX exportability.");
    }
    return 0;
}

/* The number, among the rows of (steps, batch) or with batch_first (batch, steps), of each packed
 * row. */
static fl_tensor *row_numbers(const int64_t *sizes, int64_t sizes_stride, int64_t count,
                              int64_t rows, int64_t steps, int64_t batch, bool batch_first)
{
    assert(count >= 0 && rows >= 0);
    fl_tensor *index = op_adopt(tensor_new(1, &rows, FL_INT64));
    int64_t *number = index ? tensor_data(index) : NULL;
    for (int64_t t = 0; number && t < count; t++)
        for (int64_t n = 0; n < sizes[t * sizes_stride]; n++)
            *number++ = batch_first ? n * steps + t : t * batch + n;
    return index;
}

int pack_padded_sequence_compose(fl_tensor *input, fl_tensor *lengths, bool batch_first,
                                 fl_tensor **data, fl_tensor **batch_sizes)
{
    if (input->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "a padded batch of sequences has at least 2 dimensions, got %d",
                         input->ndim);
    if (input->numel == 0)
        return error_set(FL_RUNTIME_ERROR, "Cannot pack empty tensors.");
    const int64_t batch = input->sizes[!batch_first], steps = input->sizes[batch_first];
    if (!(lengths = op_host(lengths)) || check_lengths(lengths, batch))
        return -1;
    const int64_t *length = tensor_data(lengths), stride = lengths->strides[0];
    if (length[0] > steps)
        return error_set(FL_RUNTIME_ERROR,
                         "a sequence of length %lld is longer than the %lld steps of the input",
                         (long long)length[0], (long long)steps);
    fl_tensor *sizes = op_adopt(tensor_new(1, length, FL_INT64));
    if (!sizes)
        return -1;
    int64_t rows = 0, running = batch;
    for (int64_t t = 0; t < length[0]; t++) {
        while (length[(running - 1) * stride] <= t)
            running--;
        ((int64_t *)tensor_data(sizes))[t] = running;
        rows += running;
    }
    fl_tensor *index =
        row_numbers(tensor_data(sizes), 1, length[0], rows, steps, batch, batch_first);
    index = op_beside(index, input);
    *data = index ? fl_index_select(fl_flatten(input, 0, 1), 0, index) : NULL;
    *batch_sizes = sizes;
    return *data ? 0 : -1;
}

/* Refuses batch sizes that are not those of the rows; the lengths in *lengths. */
static int lengths_of(const fl_tensor *data, const fl_tensor *batch_sizes, fl_tensor **lengths)
{
    if (batch_sizes->ndim != 1 || batch_sizes->dtype != FL_INT64 || batch_sizes->numel == 0 ||
        data->ndim < 1)
        return error_set(FL_RUNTIME_ERROR,
                         "batch_sizes must be a vector of int64 that is not empty");
    const int64_t *sizes = tensor_data(batch_sizes), stride = batch_sizes->strides[0];
    int64_t sum = 0;
    for (int64_t t = 0; t < batch_sizes->numel; t++) {
        int64_t size = sizes[t * stride];
        if (size <= 0 || (t > 0 && size > sizes[(t - 1) * stride]) || size > data->sizes[0] - sum) {
            sum = -1;
            break;
        }
        sum += size;
    }
    if (sum != data->sizes[0])
        return error_set(FL_RUNTIME_ERROR,
                         "batch_sizes must be positive, not increase, and sum up to the %lld rows "
                         "of the data",
                         (long long)data->sizes[0]);
    if (!(*lengths = op_adopt(tensor_new(1, &sizes[0], FL_INT64))))
        return -1;
    int64_t *length = tensor_data(*lengths);
    for (int64_t t = 0; t < batch_sizes->numel; t++)
        for (int64_t n = 0; n < sizes[t * stride]; n++)
            length[n] = t + 1;
    return 0;
}

int pad_packed_sequence_compose(fl_tensor *data, fl_tensor *batch_sizes, bool batch_first,
                                fl_value padding_value, int64_t total_length, fl_tensor **y,
                                fl_tensor **lengths)
{
    batch_sizes = op_host(batch_sizes);
    if (!batch_sizes || lengths_of(data, batch_sizes, lengths))
        return -1;
    const int64_t batch = (*lengths)->numel, longest = batch_sizes->numel;
    const int64_t steps = total_length > 0 ? total_length : longest;
    if (steps < longest)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected total_length to be at least the length of the longest sequence "
                         "in input, but got total_length=%lld and max sequence length being %lld",
                         (long long)total_length, (long long)longest);
    int64_t sizes[TENSOR_MAX_DIMS + 1];
    if (data->ndim + 1 > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dimensions", TENSOR_MAX_DIMS);
    sizes[0] = steps, sizes[1] = batch;
    memcpy(sizes + 2, data->sizes + 1, sizeof *sizes * (size_t)(data->ndim - 1));
    fl_tensor *index = row_numbers(tensor_data(batch_sizes), batch_sizes->strides[0], longest,
                                   data->sizes[0], steps, batch, false);
    fl_tensor *padded =
        op_adopt(tensor_new_on(tensor_device(data), data->ndim + 1, sizes, NULL, data->dtype));
    index = op_beside(index, data);
    if (!index || !padded || number_check(padding_value, data->dtype) ||
        tensor_fill(padded, padding_value))
        return -1;
    fl_tensor *rows = fl_index_copy(fl_flatten(padded, 0, 1), 0, index, data);
    *y = fl_view(rows, (fl_ints){sizes, data->ndim + 1});
    if (batch_first)
        *y = fl_transpose(*y, 0, 1);
    return *y ? 0 : -1;
}

int pad_sequence_compose(fl_tensors sequences, bool batch_first, double padding_value,
                         const char *padding_side, fl_tensor **y)
{
    const bool left = strcmp(padding_side, "left") == 0;
    int64_t longest = 0;
    if (sequences.count == 0)
        return error_set(FL_RUNTIME_ERROR, "received an empty list of sequences");
    if (!left && strcmp(padding_side, "right") != 0)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected padding_side to be one of left or right, but got %s.",
                         padding_side);
    const fl_tensor *first = sequences.data[0];
    for (int64_t i = 0; i < sequences.count; i++) {
        const fl_tensor *s = sequences.data[i];
        if (s->ndim == 0)
            return error_set(FL_RUNTIME_ERROR, "pad_sequence: a sequence has at least 1 dimension");
        for (int d = 1; d < s->ndim && s->ndim == first->ndim; d++)
            if (s->sizes[d] != first->sizes[d])
                return error_set(FL_RUNTIME_ERROR,
                                 "The size of tensor a (%lld) must match the size of tensor b "
                                 "(%lld) at non-singleton dimension %d",
                                 (long long)first->sizes[d], (long long)s->sizes[d], d);
        longest = s->sizes[0] > longest ? s->sizes[0] : longest;
    }
    fl_value list = fl_none();
    fl_tensor **padded = op_list(&list, sequences.count);
    for (int64_t i = 0; padded && i < sequences.count; i++) {
        fl_tensor *s = op_as(sequences.data[i], first->dtype);
        int64_t pad[2 * TENSOR_MAX_DIMS] = {0}, missing = s ? longest - s->sizes[0] : 0;
        if (s && missing) {
            pad[2 * (s->ndim - 1) + !left] = missing;
            s = fl_constant_pad_nd(s, (fl_ints){pad, 2 * s->ndim}, fl_float(padding_value));
        }
        padded[i] = s;
        if (!s)
            break;
    }
    int status = padded && padded[sequences.count - 1] ? 0 : -1;
    if (status == 0)
        *y = fl_stack((fl_tensors){padded, sequences.count}, batch_first ? 0 : 1);
    op_list_drop(&list);
    return status == 0 && *y ? 0 : -1;
}
