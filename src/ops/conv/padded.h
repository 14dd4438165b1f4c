/* Copies of input lines with zeros around them, in which what a filter's tap shows to neighbouring
 * outputs is a run of neighbours.
 *
 * A line is kept as `step[1]` residues: element e of residue f is column first_dx + f + e * step[1]
 * of the input, 0 outside its edges. So output j is shown column dx by residue (dx - first_dx) %
 * step[1], element j + (dx - first_dx) / step[1].
 */
#ifndef FLAMBEAU_OPS_CONV_PADDED_H
#define FLAMBEAU_OPS_CONV_PADDED_H

#include <stdint.h>

struct padded {
    int64_t size;    /* of an element: 4 or 8 bytes */
    int64_t step[2]; /* from an output to the next, vertically and horizontally */
    int64_t cols;    /* outputs of a line */
    int64_t first_dy, last_dy, first_dx, last_dx;       /* what taps reach from output (0, 0) */
    int64_t in_rows, in_cols, in_plane, in_row, in_col; /* the input and its strides */
    /* The copy: (planes, input lines, residues, pitch of a residue). */
    int64_t plane_pitch, row_pitch, residue_pitch;
};

/* Sets the pitches of a residue and of a row from what stands above them; plane_pitch is the
 * caller's to choose, padded_lines rows or more. */
void padded_lay_out(struct padded *p);
/* Input lines that `outputs` lines of output reach. */
int64_t padded_lines(const struct padded *p, int64_t outputs);
/* Copies what output lines i0 .. i1 of an image reach, in `planes` planes from `in` on. Lines that
 * no tap reaches are left as they are. */
void padded_copy(const struct padded *p, const void *in, int64_t planes, int64_t i0, int64_t i1,
                 void *copy);
/* From the first output's place in the copy to what a tap at (dy, dx) shows it, in elements. */
int64_t padded_offset(const struct padded *p, int64_t dy, int64_t dx);

/* count elements of `size` bytes from one stride to another. */
void padded_strided(void *dst, int64_t dst_step, const void *src, int64_t src_step, int64_t count,
                    int64_t size);

#endif
