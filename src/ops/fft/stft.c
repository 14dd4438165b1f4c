/* Short-time Fourier transforms: of the frames of a signal, and back by overlapping them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/warning.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/fft.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

#define GIVE_ONES                                                                                  \
    "To suppress this warning and use a rectangular window, explicitly set "                       \
    "`window=torch.ones(n_fft, device=<device>)`."

/* "torch.FloatTensor[4, 5]", as PyTorch's messages describe tensors; `form` takes the dtype's title
 * and the sizes. */
static const char *described(char *out, size_t room, const fl_tensor *t, const char *form)
{
    char sizes[128];
    if (!t) {
        snprintf(out, room, "None");
        return out;
    }
    shape_text(sizes, sizeof sizes, t->ndim, t->sizes);
    snprintf(out, room, form, dtype_title(t->dtype), sizes);
    return out;
}

static const char *truth(int b)
{
    return b < 0 ? "None" : b ? "1" : "0";
}

/* Ones, or the window, in the middle of n_fft points. */
static fl_tensor *centered_window(fl_tensor *window, int64_t win_length, int64_t n_fft,
                                  const fl_tensor *input)
{
    const int64_t left = (n_fft - win_length) / 2, pad[] = {left, n_fft - win_length - left};
    if (!window)
        window = fl_ones((fl_ints){&win_length, 1}, (fl_dtype)dtype_real(input->dtype),
                         (fl_device){-1, 0}, false);
    return win_length < n_fft ? fl_constant_pad_nd(window, (fl_ints){pad, 2}, fl_int(0)) : window;
}

/* The signal (B?, L) with so many points before and after it. */
static fl_tensor *padded(fl_tensor *input, int64_t width, const char *mode)
{
    const int64_t pad[] = {width, width};
    int64_t deep[3] = {1, 1, 1}, shape[2];
    for (int d = 0; d < input->ndim; d++)
        deep[3 - input->ndim + d] = input->sizes[d];
    fl_tensor *wide =
        fl_pad(fl_reshape(input, (fl_ints){deep, 3}), (fl_ints){pad, 2}, mode, fl_none());
    for (int d = 0; wide && d < input->ndim; d++)
        shape[d] = wide->sizes[3 - input->ndim + d];
    return fl_reshape(wide, (fl_ints){shape, input->ndim});
}

/* ---- Forth ----------------------------------------------------------------------------------- */

struct stft {
    int64_t n_fft, hop, win;
    fl_tensor *window;
    bool normalized;
    int onesided, return_complex, align_to_window; /* -1: not said */
};

static int refuse_stft(const struct stft *s, const fl_tensor *input, const char *what)
{
    char a[192], b[192];
    return error_set(FL_RUNTIME_ERROR,
                     "stft(%s, n_fft=%lld, hop_length=%lld, win_length=%lld, window=%s, "
                     "normalized=%d, onesided=%s, return_complex=%s, align_to_window=%s) : %s",
                     described(a, sizeof a, input, "torch.%sTensor%s"), (long long)s->n_fft,
                     (long long)s->hop, (long long)s->win,
                     described(b, sizeof b, s->window, "torch.%sTensor{%s}"), s->normalized,
                     truth(s->onesided), truth(s->return_complex), truth(s->align_to_window), what);
}

static int check_stft(const struct stft *s, const fl_tensor *input)
{
    char what[256], got[128];
    if (!dtype_is_inexact(input->dtype))
        return refuse_stft(s, input, "expected a tensor of floating point or complex values");
    if (input->ndim != 1 && input->ndim != 2)
        return refuse_stft(s, input, "expected a 1D or 2D tensor");
    const int64_t length = input->sizes[input->ndim - 1];
    if (s->n_fft <= 0 || s->n_fft > length)
        snprintf(what, sizeof what, "expected 0 < n_fft < %lld, but got n_fft=%lld",
                 (long long)length, (long long)s->n_fft);
    else if (s->hop <= 0)
        snprintf(what, sizeof what, "expected hop_length > 0, but got hop_length=%lld",
                 (long long)s->hop);
    else if (s->win <= 0 || s->win > s->n_fft)
        snprintf(what, sizeof what, "expected 0 < win_length <= n_fft, but got win_length=%lld",
                 (long long)s->win);
    else if (s->window && (s->window->ndim != 1 || s->window->sizes[0] != s->win))
        snprintf(what, sizeof what,
                 "expected a 1D window tensor of size equal to win_length=%lld, but got window "
                 "with size %s",
                 (long long)s->win, shape_text(got, sizeof got, s->window->ndim, s->window->sizes));
    else
        return 0;
    return refuse_stft(s, input, what);
}

static fl_tensor *transform_frames(const struct stft *s, fl_tensor *input, bool onesided)
{
    const int64_t span = s->align_to_window > 0 ? s->win : s->n_fft, left = (s->n_fft - s->win) / 2,
                  pad[] = {left, s->n_fft - s->win - left};
    fl_tensor *frames = fl_unfold(input, -1, span, s->hop);
    if (span < s->n_fft)
        frames = fl_constant_pad_nd(frames, (fl_ints){pad, 2}, fl_int(0));
    if (s->window || s->win < s->n_fft)
        frames = fl_mul(frames, centered_window(s->window, s->win, s->n_fft, input));
    if (!frames)
        return NULL;
    const double scale = s->normalized ? 1 / sqrt((double)s->n_fft) : 1;
    const int64_t last = frames->ndim - 1;
    fl_tensor *y = dtype_is_complex(frames->dtype)
                       ? fl__fft_c2c(frames, (fl_ints){&last, 1}, scale, true)
                       : fl__fft_r2c(frames, (fl_ints){&last, 1}, scale, onesided);
    return fl_transpose(y, -2, -1);
}

int stft_compose(fl_tensor *self, int64_t n_fft, const int64_t *hop_length,
                 const int64_t *win_length, fl_tensor *window, bool center, const char *pad_mode,
                 bool normalized, int onesided, int return_complex, int align_to_window,
                 fl_tensor **y)
{
    static atomic_bool warned_of_window, warned_of_parts;
    struct stft s = {n_fft,
                     hop_length ? *hop_length : n_fft / 4,
                     win_length ? *win_length : n_fft,
                     window,
                     normalized,
                     onesided,
                     return_complex,
                     align_to_window};
    if (!window &&
        warning_once(&warned_of_window,
                     "A window was not provided. A rectangular window will be applied,"
                     "which is known to cause spectral leakage. Other windows such as "
                     "torch.hann_window or torch.hamming_window are recommended to reduce spectral "
                     "leakage." GIVE_ONES))
        return -1;
    if (center && align_to_window >= 0)
        return error_set(FL_RUNTIME_ERROR,
                         "stft align_to_window should only be set when center = false");
    if (center && (self->ndim == 1 || self->ndim == 2) &&
        !(self = padded(self, n_fft / 2, pad_mode)))
        return -1;
    const bool complex =
        dtype_is_complex(self->dtype) || (window && dtype_is_complex(window->dtype));
    if (return_complex < 0 && !complex)
        return error_set(FL_RUNTIME_ERROR,
                         "stft requires the return_complex parameter be given for real inputs, and "
                         "will further require that return_complex=True in a future PyTorch "
                         "release.");
    if (return_complex == 0 &&
        warning_once(&warned_of_parts,
                     "stft with return_complex=False is deprecated. In a future pytorch release, "
                     "stft will return complex tensors for all inputs, and return_complex=False "
                     "will raise an error.\nNote: you can still call torch.view_as_real on the "
                     "complex output to recover the old return format."))
        return -1;
    if (check_stft(&s, self))
        return -1;
    if (onesided > 0 && complex)
        return error_set(FL_RUNTIME_ERROR,
                         "Cannot have onesided output if window or input is complex");
    fl_tensor *found = transform_frames(&s, self, onesided < 0 ? !complex : onesided);
    return op_give(y, return_complex == 0 ? fl_view_as_real(found) : found);
}

/* ---- Back ------------------------------------------------------------------------------------ */

struct istft {
    int64_t n_fft, hop, win;
    fl_tensor *window;
    const int64_t *length;
    bool center, normalized, return_complex;
    int onesided;
    bool guessed; /* onesided was not said */
};

static int refuse_istft(const struct istft *s, const fl_tensor *input, const char *what)
{
    char a[192], b[192], length[32] = "None";
    if (s->length)
        snprintf(length, sizeof length, "%lld", (long long)*s->length);
    return error_set(
        FL_RUNTIME_ERROR,
        "istft(%s, n_fft=%lld, hop_length=%lld, win_length=%lld, window=%s, "
        "center=%d, normalized=%d, onesided=%s, length=%s, return_complex=%d) %s",
        described(a, sizeof a, input, "CPU%sType%s"), (long long)s->n_fft, (long long)s->hop,
        (long long)s->win, described(b, sizeof b, s->window, "torch.%sTensor{%s}"), s->center,
        s->normalized, s->guessed ? "None" : truth(s->onesided), length, s->return_complex, what);
}

static int check_istft(struct istft *s, const fl_tensor *input)
{
    char what[256];
    if (!dtype_is_complex(input->dtype))
        return error_set(FL_RUNTIME_ERROR, "istft requires a complex-valued input tensor matching "
                                           "the output from stft with return_complex=True.");
    if (input->numel == 0)
        return refuse_istft(s, input, ": input tensor cannot be empty.");
    if (input->ndim != 2 && input->ndim != 3) {
        snprintf(what, sizeof what, ": expected a tensor with 3 or 4 dimensions, but got %d",
                 input->ndim + 1);
        return refuse_istft(s, input, what);
    }
    const int64_t count = input->sizes[input->ndim - 2];
    s->guessed = s->onesided < 0;
    if (s->guessed)
        s->onesided = count != s->n_fft;
    if (count != (s->onesided ? s->n_fft / 2 + 1 : s->n_fft)) {
        snprintf(
            what, sizeof what,
            ": expected the frequency dimension (3rd to the last) of the input tensor to match "
            "n_fft%s when onesided=%s, but got %lld",
            s->onesided ? " / 2 + 1" : "", s->onesided ? "True" : "False", (long long)count);
        return refuse_istft(s, input, what);
    }
    if (s->hop <= 0 || s->hop > s->win)
        return refuse_istft(s, input, ": expected 0 < hop_length <= win_length");
    if (s->win <= 0 || s->win > s->n_fft)
        return refuse_istft(s, input, ": expected 0 < win_length <= n_fft");
    if (s->window && (s->window->ndim != 1 || s->window->sizes[0] != s->win))
        return refuse_istft(
            s, input, ": Invalid window shape. window has to be 1D and length of `win_length`");
    if (s->return_complex && s->onesided)
        return error_set(FL_RUNTIME_ERROR,
                         "Cannot have onesided output if window or input is complex");
    if (!s->return_complex && s->window && dtype_is_complex(s->window->dtype))
        return error_set(FL_RUNTIME_ERROR,
                         "Complex windows are incompatible with return_complex=False");
    return 0;
}

/* The sum of frames (B, count, n), each hop after the one before: (B, length). */
static fl_tensor *overlapped(fl_tensor *frames, int64_t hop)
{
    if (!frames)
        return NULL;
    const int64_t batch = frames->sizes[0], count = frames->sizes[1], n = frames->sizes[2];
    const int64_t points = count * n, rows[] = {batch, points},
                  size[] = {batch, n + hop * (count - 1)};
    fl_tensor *places = op_adopt(tensor_new(1, &points, FL_INT64));
    int64_t *place = places ? tensor_data(places) : NULL;
    for (int64_t i = 0; places && i < points; i++)
        place[i] = i / n * hop + i % n;
    fl_tensor *zeros =
        fl_new_zeros(frames, (fl_ints){size, 2}, FL_NO_DTYPE, (fl_device){-1, 0}, false);
    return places ? fl_index_add(zeros, 1, op_beside(places, frames),
                                 fl_reshape(frames, (fl_ints){rows, 2}), fl_int(1))
                  : NULL;
}

/* The frames (B, frames, n_fft) that transforms (B, n, frames) are of. */
static fl_tensor *frames_of(const struct istft *s, fl_tensor *batch)
{
    const int64_t last = 2;
    const double scale = s->normalized ? 1 / sqrt((double)s->n_fft) : 1 / (double)s->n_fft;
    batch = fl_transpose(batch, 1, 2);
    if (s->return_complex)
        return fl__fft_c2c(batch, (fl_ints){&last, 1}, scale, false);
    if (!s->onesided)
        batch = fl_narrow(batch, -1, 0, s->n_fft / 2 + 1);
    return fl__fft_c2r(batch, (fl_ints){&last, 1}, scale, s->n_fft);
}

static int check_weight(const struct istft *s, const fl_tensor *input, fl_tensor *weight)
{
    if (!weight || weight->numel == 0 || tensor_is_meta(weight))
        return weight ? 0 : -1;
    fl_tensor *least = fl_min(fl_abs(op_samples(weight)));
    if (!least)
        return -1;
    return fl_item(least) > 1e-11 ? 0 : refuse_istft(s, input, "window overlap add min: 1");
}

static fl_tensor *signal_of(const struct istft *s, fl_tensor *input)
{
    const int64_t frames = input->sizes[input->ndim - 1], shape[] = {1, 1, s->n_fft},
                  wide[] = {1, frames, s->n_fft};
    fl_tensor *window = centered_window(s->window, s->win, s->n_fft, input);
    fl_tensor *batch = input->ndim == 3 ? input : fl_unsqueeze(input, 0);
    fl_tensor *row = fl_reshape(window, (fl_ints){shape, 3});
    fl_tensor *y = overlapped(fl_mul(frames_of(s, batch), row), s->hop);
    fl_tensor *weight = overlapped(fl_expand(fl_mul(row, row), (fl_ints){wide, 3}, false), s->hop);
    const int64_t total = s->n_fft + s->hop * (frames - 1), start = s->center ? s->n_fft / 2 : 0;
    int64_t end = s->length ? start + *s->length : total - start;
    end = end > total ? total : end;
    y = fl_slice(y, 1, &start, &end, 1), weight = fl_slice(weight, 1, &start, &end, 1);
    if (check_weight(s, input, weight))
        return NULL;
    y = fl_div(y, weight);
    if (input->ndim == 2)
        y = fl_squeeze_dim(y, 0);
    if (!s->length || end - start >= *s->length)
        return y;
    const int64_t pad[] = {0, *s->length - (end - start)};
    if (warning_give("The length of signal is shorter than the length parameter. Result is being "
                     "padded with zeros in the tail. Please check your center and hop_length "
                     "settings."))
        return NULL;
    return fl_constant_pad_nd(y, (fl_ints){pad, 2}, fl_int(0));
}

int istft_compose(fl_tensor *self, int64_t n_fft, const int64_t *hop_length,
                  const int64_t *win_length, fl_tensor *window, bool center, bool normalized,
                  int onesided, const int64_t *length, bool return_complex, fl_tensor **y)
{
    static atomic_bool warned_of_window;
    struct istft s = {.n_fft = n_fft,
                      .hop = hop_length ? *hop_length : n_fft / 4,
                      .win = win_length ? *win_length : n_fft,
                      .window = window,
                      .length = length,
                      .center = center,
                      .normalized = normalized,
                      .return_complex = return_complex,
                      .onesided = onesided};
    if (!window && warning_once(&warned_of_window,
                                "A window was not provided. A rectangular window will be applied."
                                "Please provide the same window used by stft to make the inversion "
                                "lossless." GIVE_ONES))
        return -1;
    s.guessed = onesided < 0;
    return check_istft(&s, self) ? -1 : op_give(y, signal_of(&s, self));
}
