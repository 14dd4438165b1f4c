/* Files of named tensors, in the safetensors format and in PyTorch's (.pt); NumPy's .npz archives,
 * which are only read; and one array, in NumPy's .npy format. Included by flambeau.h.
 *
 *     fl_file *f = fl_file_open("weights.safetensors");
 *     for (int64_t i = 0; i < fl_file_count(f); i++)
 *         puts(fl_file_name(f, i));
 *     fl_tensor *w = fl_file_load(f, "0.weight");
 *     fl_file_close(f);
 */
#ifndef FLAMBEAU_IO_H
#define FLAMBEAU_IO_H

#include "flambeau/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fl_file fl_file;

/* Writes `count` tensors, of any strides, under their names: as torch.save writes a dict of them
 * where the path ends in .pt or .pth, else in the safetensors format. A file that is there is
 * replaced when all is written and on the disk, and stays as it is when anything fails. 0, or -1
 * with the error set: a name twice, or not UTF-8; a disk that is full. */
FL_API int fl_file_save(const char *path, int64_t count, const char *const *names,
                        fl_tensor *const *tensors);
/* Opens a safetensors file, a file that torch.save wrote (today's format or the older one) or an .npz
 * archive, whose first bytes tell which it is, and reads what stands in it besides elements; that is
 * checked in full. NULL with the error set (FL_FILE_NOT_FOUND where it is).
 *
 * Of torch.save's object the tensors get the keys and places as names that lead to them, with dots
 * between: "0.weight" in a state_dict(), "optimizer.state.0.exp_avg" in a checkpoint of several, ""
 * for a tensor alone. Nothing in the file is executed: it may hold tensors, parameters, numbers,
 * texts, dtypes and dicts, lists, tuples and sets of them; a class of any other kind (a whole module)
 * is refused and named. Parts of a sparse tensor are called "w.indices", "w.values" and so on. */
FL_API fl_file *fl_file_open(const char *path);
FL_API void fl_file_close(fl_file *f); /* NULL is allowed */
FL_API int64_t fl_file_count(const fl_file *f);
/* The name of tensor i, good until the file is closed; NULL where there is none. */
FL_API const char *fl_file_name(const fl_file *f, int64_t i);
/* Reads the tensor of that name to the CPU, with memory of its own: a new reference, or the scope's;
 * NULL with the error set. */
FL_API fl_tensor *fl_file_load(fl_file *f, const char *name);
/* The text that the file keeps under that key, or NULL (no error). In torch.save's files every value
 * that is no tensor has one, under a name like a tensor's: "12", "0.1", "True", "None",
 * "torch.float32"; bytes and integers beyond 64 bits in hexadecimal digits. */
FL_API const char *fl_file_metadata(const fl_file *f, const char *key);
/* Key i, good until the file is closed; NULL where there is none. */
FL_API const char *fl_file_metadata_key(const fl_file *f, int64_t i);

/* The array in an .npy file: a new reference, or the scope's; NULL with the error set, for records
 * and objects too. */
FL_API fl_tensor *fl_npy_load(const char *path);
/* Writes a tensor of any strides, as fl_file_save does. -1 also for bfloat16, which NumPy has not. */
FL_API int fl_npy_save(const char *path, fl_tensor *t);

#ifdef __cplusplus
}
#endif

#endif
