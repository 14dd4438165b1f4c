/* Input lines copied for a convolution; padded.h says how. */
#include "ops/conv/padded.h"

#include <stdbool.h>
#include <string.h>

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void padded_strided(void *dst, int64_t dst_step, const void *src, int64_t src_step, int64_t count,
                    int64_t size)
{
    if (dst_step == 1 && src_step == 1) {
        memcpy(dst, src, (size_t)(count * size));
    } else if (size == 4) {
        uint32_t *d = dst;
        const uint32_t *s = src;
        if (dst_step == 1 && src_step == 2)
            for (int64_t i = 0; i < count; i++)
                d[i] = s[2 * i];
        else
            for (int64_t i = 0; i < count; i++)
                d[i * dst_step] = s[i * src_step];
    } else {
        uint64_t *d = dst;
        const uint64_t *s = src;
        for (int64_t i = 0; i < count; i++)
            d[i * dst_step] = s[i * src_step];
    }
}

static int64_t residues(const struct padded *p)
{
    return at_most(p->step[1], p->last_dx - p->first_dx + 1);
}

void padded_lay_out(struct padded *p)
{
    p->residue_pitch = p->cols + (p->last_dx - p->first_dx) / p->step[1];
    p->row_pitch = residues(p) * p->residue_pitch;
}

int64_t padded_lines(const struct padded *p, int64_t outputs)
{
    return (outputs - 1) * p->step[0] + p->last_dy - p->first_dy + 1;
}

int64_t padded_offset(const struct padded *p, int64_t dy, int64_t dx)
{
    const int64_t across = dx - p->first_dx;
    return (dy - p->first_dy) * p->row_pitch + across % p->step[1] * p->residue_pitch +
           across / p->step[1];
}

/* One line of one plane. src is NULL above and below. */
static void copy_line(const struct padded *p, const char *src, char *dst)
{
    const int64_t size = p->size, step = p->step[1];
    for (int64_t f = 0; f < residues(p); f++, dst += p->residue_pitch * size) {
        int64_t length = p->cols + (p->last_dx - p->first_dx - f) / step;
        int64_t first = p->first_dx + f; /* the column of element 0 */
        int64_t begin = first < 0 ? (-first + step - 1) / step : 0;
        int64_t end = first < p->in_cols ? (p->in_cols - first + step - 1) / step : 0;
        begin = at_most(begin, length);
        end = !src ? begin : end < begin ? begin : at_most(end, length);
        memset(dst, 0, (size_t)(begin * size));
        if (end > begin)
            padded_strided(dst + begin * size, 1, src + (first + begin * step) * p->in_col * size,
                           step * p->in_col, end - begin, size);
        memset(dst + end * size, 0, (size_t)((length - end) * size));
    }
}

void padded_copy(const struct padded *p, const void *in, int64_t planes, int64_t i0, int64_t i1,
                 void *copy)
{
    const int64_t span = p->last_dy - p->first_dy, lines = padded_lines(p, i1 - i0);
    for (int64_t plane = 0; plane < planes; plane++)
        for (int64_t line = 0; line < lines; line++) {
            if (line % p->step[0] > span)
                continue; /* no tap reaches it */
            int64_t row = i0 * p->step[0] + p->first_dy + line;
            bool inside = row >= 0 && row < p->in_rows;
            const char *src =
                inside ? (const char *)in + (plane * p->in_plane + row * p->in_row) * p->size
                       : NULL;
            copy_line(p, src,
                      (char *)copy + (plane * p->plane_pitch + line * p->row_pitch) * p->size);
        }
}
